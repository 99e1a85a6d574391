"""From a prompt to a drawing in the queue."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Unpack

from bot.services.access import Access
from bot.services.draw_limits import check_payload, sides_of, usual_backend
from bot.services.draw_payload import DrawPayload
from bot.services.endpoints import EndpointService
from bot.services.refusal import Refusal, refuse_when_full
from bot.services.safety import check_prompt, checks_pictures
from bot.services.styles import StyleBook
from bot.services.wording import fill, names, with_subject
from data.database import Database
from data.files import FileStore
from data.jobs import Job, JobKind, Jobs, Origin
from data.models import Model, Models
from data.personal import Personal
from data.pictures import Pictures
from data.settings import Backend, Settings, Size
from inference.bases import BASES

BASE = "base"
"""What stands for the model that nobody trained."""

SEEDS = 2**32


@dataclass(frozen=True, slots=True)
class Asker:
    """What the rules ask about a person; who says nothing has no roles and stands in an ordinary channel."""

    role_ids: tuple[int, ...] = ()
    manager: bool = False
    age_restricted: bool = False
    writes: bool = True
    """Whether they may write where they ask; who may not gets drawings alone."""


MEMBER = Asker()


class ImagineService:
    """Takes prompts and puts them into the queue, and takes pictures away again.

    Every method that queues raises Refusal: no_such_model, not_yours, prompt_empty, prompt_too_long,
    bad_value, backend_off, unknown_base, disk_full, and as `Access.check` and `check_prompt` do.
    """

    def __init__(
        self,
        db: Database,
        files: FileStore,
        jobs: Jobs,
        models: Models,
        pictures: Pictures,
        settings: Settings,
        access: Access,
        endpoints: EndpointService,
        styles: StyleBook,
        *,
        base: str,
        wake: Callable[[], None],
    ) -> None:
        self._db = db
        self._personal = Personal(db)
        self._files = files
        self._jobs = jobs
        self._models = models
        self._pictures = pictures
        self._settings = settings
        self._access = access
        self._endpoints = endpoints
        self._styles = styles
        self._base = base
        self._wake = wake

    async def pick(self, chosen: str, user_id: int, guild_id: int) -> tuple[int | None, str | None]:
        """Model or base that a person means: theirs or a shared one by number, title or name, or a base.

        Nothing chosen is their usual model, neither of both where they have none. Raises
        Refusal(no_such_model).
        """
        if not chosen:
            usual = await self._models.default_of(user_id, guild_id)
            return usual.id if usual else None, None
        wanted = chosen.casefold()
        for base in await self.bases(guild_id):
            if wanted == base or (wanted == BASE and base == self._base):
                return None, base
        for model in await self._models.usable(user_id, guild_id):
            if model.is_called(chosen):
                return model.id, None
        raise Refusal("no_such_model")

    async def bases(self, guild_id: int) -> list[str]:
        """The bases that people of a guild may draw with, the installation's own first."""
        offered = (await self._settings.get(guild_id)).bases
        return [self._base, *(base for base in offered if base in BASES and base != self._base)]

    async def submit(
        self,
        prompt: str,
        *,
        count: int | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        seed: int | None = None,
        negative: str = "",
        size: Size | None = None,
        model_id: int | None = None,
        base: str | None = None,
        style: str | None = None,
        backend: Backend | None = None,
        private: bool = False,
        asker: Asker = MEMBER,
        **origin: Unpack[Origin],
    ) -> Job:
        """Queue a drawing by a model, or by `base`, or by the installation's own base.

        What is None, the guild's settings decide. With a model, `me`, its name or a missing subject become
        its trigger phrase. Also raises Refusal(no_such_style).
        """
        settings = await self._settings.get(origin["guild_id"])
        model = await self._usable(model_id, origin) if model_id is not None else None
        said = " ".join(prompt.split())
        if not said:
            raise Refusal("prompt_empty")
        # Before the style goes around it, whose words are not the person's.
        subject = with_subject(said, model) if model else said
        chosen = await self._styles.find(origin["guild_id"], style) if style else None
        drawn_by = model.base if model else base or self._base
        wanted = size or settings.default_size
        width, height = sides_of(model or drawn_by, wanted)
        payload = DrawPayload(
            prompt=fill(chosen.template, subject) if chosen else subject,
            negative=negative.strip(),
            count=settings.usual_count if count is None else count,
            steps=settings.default_draw_steps if steps is None else steps,
            guidance=settings.usual_guidance if guidance is None else guidance,
            seed=secrets.randbelow(SEEDS) if seed is None else seed,
            width=width,
            height=height,
            size=wanted,
            base=drawn_by,
            base_asked=model is None and base is not None,
            model_id=model.id if model else None,
            subject=model.trigger if model else "",
            style=chosen.name if chosen else None,
            backend=backend or usual_backend(settings),
            private=private,
        )
        return await self.queue(payload, asker, origin)

    async def queue(self, payload: DrawPayload, asker: Asker, origin: Origin) -> Job:
        """Check everything and queue it; it is safe once this returns."""
        settings = await self._settings.get(origin["guild_id"])
        check_payload(payload, settings)
        payload = payload.model_copy(update={"private": payload.private or not asker.writes})
        age_restricted = asker.age_restricted and not payload.private
        check_prompt(settings, payload.prompt, age_restricted=age_restricted)
        checked = checks_pictures(settings, age_restricted=age_restricted)
        payload = payload.model_copy(update={"check_safety": checked})
        if payload.subject and not names(payload.prompt, payload.subject):
            payload = payload.model_copy(update={"subject": ""})
        with refuse_when_full():
            async with self._db.transaction() as tx:
                # Counted inside the transaction: two clicks at once must not both find the last place.
                await self._access.check(
                    "imagine",
                    user_id=origin["user_id"],
                    guild_id=origin["guild_id"],
                    role_ids=asker.role_ids,
                    manager=asker.manager,
                    amount=payload.count,
                    tx=tx,
                )
                model = None
                if payload.model_id is not None:  # it may have gone, or become private, while we looked
                    model = await self._usable(payload.model_id, origin)
                lane = await self._endpoints.lane_for(
                    payload.backend,
                    origin["user_id"],
                    origin["guild_id"],
                    model,
                    base=payload.base_asked,
                    init=payload.init is not None,
                    count=payload.count,
                    tx=tx,
                )
                job = await self._jobs.create(
                    JobKind.draw,
                    payload=payload.model_dump_json(),
                    steps=payload.steps,
                    model_id=payload.model_id,
                    lane=lane,
                    tx=tx,
                    **origin,
                )
        self._wake()
        return job

    async def drawing(self, job_id: int, guild_id: int) -> tuple[Job, DrawPayload]:
        """A drawing of a guild. Raises Refusal(no_such_job)."""
        job = await self._jobs.get(job_id)
        if job is None or job.kind is not JobKind.draw or job.guild_id != guild_id:
            raise Refusal("no_such_job")
        return job, DrawPayload.of(job)

    async def delete(self, job_id: int) -> int:
        """Remove the pictures of a job and return how many.

        The messages that show them wait in `removals`. Raises Refusal(no_such_job).
        """
        job = await self._jobs.get(job_id)
        if job is None:
            raise Refusal("no_such_job")
        pictures = [picture.id for picture in await self._pictures.of_job(job_id)]
        async with self._db.transaction() as tx:
            await self._pictures.delete_job(job_id, tx)
            shown = await self._personal.forget_pictures(pictures, tx)
            await self._personal.take_down([*shown, *await self._jobs.message(job_id, tx)], tx)
        await asyncio.to_thread(self._files.discard, self._files.pictures(job_id))
        return len(pictures)

    async def _usable(self, model_id: int, origin: Origin) -> Model:
        model = await self._models.get(model_id)
        if model is None or not model.usable_by(origin["user_id"], origin["guild_id"]):
            raise Refusal("no_such_model")
        return model
