"""From an earlier drawing to another one: the buttons of a result, and *Try it on me*."""

from __future__ import annotations

import secrets
from typing import Any, Unpack

from bot.services.draw_limits import sides_of, twice, usual_backend
from bot.services.draw_payload import DrawPayload
from bot.services.faces import Faces
from bot.services.imagining import MEMBER, SEEDS, Asker, ImagineService
from bot.services.refusal import Refusal
from bot.services.wording import with_other_subject, with_subject
from data.gallery import Shared
from data.jobs import Job, JobKind, Jobs, JobState, Origin
from data.models import Models
from data.pictures import Picture, Pictures
from data.settings import Settings

VARY_STRENGTH = 0.6
UPSCALE_STRENGTH = 0.35
"""How much of a picture the second pass draws anew: enough to add detail, too little to change a face."""


class Redrawing:
    """Queues changed copies of earlier drawings. Everything raises Refusal as `ImagineService.queue` does.

    Anyone of a guild may redraw anything of it that is not private, with models that they may use.
    """

    def __init__(
        self,
        imagining: ImagineService,
        jobs: Jobs,
        models: Models,
        pictures: Pictures,
        settings: Settings,
        faces: Faces,
    ) -> None:
        self._imagining = imagining
        self._jobs = jobs
        self._models = models
        self._pictures = pictures
        self._settings = settings
        self._faces = faces

    async def original(self, job_id: int, origin: Origin) -> tuple[Job, DrawPayload]:
        """A drawing that this person may see. Raises Refusal(no_such_job)."""
        job, asked = await self._imagining.drawing(job_id, origin["guild_id"])
        if asked.private and job.user_id != origin["user_id"]:
            raise Refusal("no_such_job")
        return job, asked

    async def again(
        self, job_id: int, *, new_seed: bool = False, asker: Asker = MEMBER, **origin: Unpack[Origin]
    ) -> Job:
        """Queue the drawing of an earlier job once more.

        The seeds go on where that job's ended, or start somewhere new; a job that drew nothing is repeated as
        it was. Anyone of the guild may, with models that they may use. Also raises Refusal(no_such_job).
        """
        job, asked = await self.original(job_id, origin)
        if new_seed:
            seed = secrets.randbelow(SEEDS)
        else:
            seed = (asked.seed + asked.count) % SEEDS if job.state is JobState.done else asked.seed
        return await self._change(job, asked, asker, origin, seed=seed)

    async def edit(
        self,
        job_id: int,
        prompt: str,
        negative: str,
        *,
        asker: Asker = MEMBER,
        **origin: Unpack[Origin],
    ) -> Job:
        """Queue an earlier drawing with other words and the same seed. Also raises Refusal(no_such_job)."""
        job, asked = await self.original(job_id, origin)
        model = await self._models.get(asked.model_id) if asked.model_id is not None else None
        said = " ".join(prompt.split())
        # Who took the subject out of the finished prompt meant it.
        changes = {
            "prompt": with_subject(said, model, wanted=False) if model else said,
            "negative": negative.strip(),
            "style": None,
        }
        return await self._change(job, asked, asker, origin, **changes)

    async def vary(self, job_id: int, index: int, *, asker: Asker = MEMBER, **origin: Unpack[Origin]) -> Job:
        """Queue drawings that resemble picture `index` (from 0) of a job.

        Also raises Refusal: no_such_job, picture_gone, picture_expired.
        """
        job, asked = await self.original(job_id, origin)
        picture = await self._picture(job_id, index)
        settings = await self._settings.get(origin["guild_id"])
        return await self._change(
            job,
            asked,
            asker,
            origin,
            init=picture.id,
            backend=usual_backend(settings),
            strength=VARY_STRENGTH,
            count=settings.usual_count,
            seed=secrets.randbelow(SEEDS),
        )

    async def upscale(
        self, job_id: int, index: int, *, asker: Asker = MEMBER, **origin: Unpack[Origin]
    ) -> Job:
        """Queue a second pass over picture `index` (from 0) of a job, at twice its size.

        Also raises Refusal: no_such_job, picture_gone, picture_expired, already_large.
        """
        job, asked = await self.original(job_id, origin)
        picture = await self._picture(job_id, index)
        settings = await self._settings.get(origin["guild_id"])
        model = await self._models.get(asked.model_id) if asked.model_id is not None else None
        width, height = twice(model or asked.base, picture.width, picture.height)
        return await self._change(
            job,
            asked,
            asker,
            origin,
            init=picture.id,
            backend=usual_backend(settings),
            strength=UPSCALE_STRENGTH,
            count=1,
            seed=picture.seed,
            width=width,
            height=height,
        )

    async def try_on(self, shared: Shared, *, asker: Asker = MEMBER, **origin: Unpack[Origin]) -> Job:
        """Queue a shared prompt with its settings, for a person's own usual model.

        Also raises Refusal: no_such_job, no_model_yet.
        """
        model = await self._models.default_of(origin["user_id"], origin["guild_id"])
        if model is None:
            raise Refusal("no_model_yet")
        job = await self._jobs.get(shared.job_id)
        picture = await self._pictures.get(shared.picture_id)
        if job is None or picture is None:
            raise Refusal("no_such_job")
        settings = await self._settings.get(origin["guild_id"])
        asked = DrawPayload.of(job) if job.kind is JobKind.draw else None
        # Of a private drawing, only what the shared card shows is anybody else's to use.
        told = asked if asked is not None and not asked.private else None
        size = asked.size if asked else settings.default_size
        width, height = sides_of(model, size)
        payload = DrawPayload(
            prompt=with_other_subject(shared.prompt, shared.subject, model),
            negative=told.negative if told else "",
            count=settings.usual_count,
            steps=min(asked.steps if asked else settings.default_draw_steps, settings.max_draw_steps),
            guidance=min(asked.guidance if asked else settings.default_guidance, settings.max_guidance),
            seed=picture.seed,
            width=width,
            height=height,
            size=size,
            base=model.base,
            model_id=model.id,
            subject=model.trigger,
            style=told.style if told else None,
            backend=usual_backend(settings),
        )
        return await self._imagining.queue(payload, asker, origin)

    async def _picture(self, job_id: int, index: int) -> Picture:
        for picture in await self._pictures.of_job(job_id):
            if picture.idx == index:
                return picture
        raise Refusal("picture_expired" if await self._pictures.expired(job_id, index) else "picture_gone")

    async def _change(
        self, job: Job, asked: DrawPayload, asker: Asker, origin: Origin, **changes: Any
    ) -> Job:
        """Queue what an earlier job asked for, with changes."""
        payload = asked.model_copy(update={"parent": job.id, **changes})
        if payload.init is None:
            await self._faces.check_model(payload.model_id, origin["user_id"], origin["guild_id"])
        else:
            await self._faces.check(job, origin["user_id"])
        return await self._imagining.queue(payload, asker, origin)
