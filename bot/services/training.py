"""From uploaded photos to a draft that the person looks at, and from there to a training in the queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from aiosqlite import Connection
from PIL import Image

from bot.services.access import Access
from bot.services.estimates import Estimates
from bot.services.imagining import MEMBER, Asker
from bot.services.intake import Intake, Upload
from bot.services.refusal import Notice, Refusal, refuse_when_full
from bot.services.wish import PHOTOS, Wish, check_wish, spec_of
from data.database import Database
from data.drafts import Crop, Draft, Drafts
from data.files import FileStore
from data.jobs import Job, JobKind, Jobs, Origin
from data.settings import Settings
from inference.bases import Base
from trainer.job import write_job
from trainer.names import is_common_word
from trainer.spec import MIN_PHOTOS, TrainSpec
from trainer.subjects import kind_of


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a draft would become, started now."""

    draft: Draft
    spec: TrainSpec
    seconds: float | None
    """How long it would train, by what trainings took here; None while nothing was measured."""
    ahead: int
    """Trainings that run or wait already."""


class TrainingService:
    """Takes photos, keeps them as drafts and puts trainings into the queue."""

    def __init__(
        self,
        db: Database,
        files: FileStore,
        jobs: Jobs,
        settings: Settings,
        access: Access,
        estimates: Estimates,
        intake: Intake,
        *,
        base: str,
        wake: Callable[[], None],
    ) -> None:
        self._db = db
        self._files = files
        self._jobs = jobs
        self._settings = settings
        self._access = access
        self._estimates = estimates
        self._intake = intake
        self._drafts = Drafts(db)
        self._base = base
        self._wake = wake

    async def check(
        self, wish: Wish, *, consent: bool, photos: int, asker: Asker = MEMBER, **origin: Unpack[Origin]
    ) -> Base:
        """Everything that can be refused before a photo is fetched.

        Raises Refusal: no_consent, and as `check_wish` and `Access.check` do.
        """
        settings = await self._settings.get(origin["guild_id"])
        await self._check_access(asker, origin)
        if not consent:
            raise Refusal("no_consent")
        # Samples are shown in the samples channel, whichever channel this is asked in.
        return await asyncio.to_thread(
            check_wish, wish, settings, self._base, photos=photos, age_restricted=False
        )

    async def draft(
        self,
        uploads: Sequence[Upload],
        wish: Wish,
        *,
        consent: bool,
        asker: Asker = MEMBER,
        **origin: Unpack[Origin],
    ) -> Draft:
        """Fetch, check and crop the photos and keep them until `start`, in the place of an earlier draft.

        Raises Refusal: too_few_photos, disk_full, and as `check` does.
        """
        base = await self.check(wish, consent=consent, photos=len(uploads), asker=asker, **origin)
        reading = self._intake.take(
            uploads, size=base.resolution, class_name=wish.class_name, user_id=origin["user_id"]
        )
        with refuse_when_full():
            async with reading as taken:
                if taken.photos < MIN_PHOTOS:
                    raise Refusal(
                        "too_few_photos", usable=taken.clear, minimum=MIN_PHOTOS, rejected=taken.notices
                    )
                notices = [*taken.notices, *await self._advice(taken.crops, wish, base)]
                return await self._adopt_draft(taken.folder, wish, taken.crops, notices, origin)

    async def of(self, draft_id: int, user_id: int) -> Draft:
        """A person's own draft. Raises Refusal(draft_gone), whether it is nobody's or somebody else's."""
        draft = await self._drafts.get(draft_id)
        if draft is None or draft.user_id != user_id:
            raise Refusal("draft_gone")
        return draft

    async def use(self, draft_id: int, user_id: int, places: Sequence[int]) -> Draft:
        """Use these crops and leave out the others; of one photo's faces the newly chosen one wins.

        Raises Refusal(draft_gone).
        """
        draft = await self.of(draft_id, user_id)
        chosen: dict[int, int] = {}
        for place in sorted(places, key=lambda place: place not in draft.used):
            if 0 <= place < len(draft.crops):
                chosen[draft.crops[place].photo] = place
        return await self._drafts.use(draft, list(chosen.values()))

    async def prospect(self, draft: Draft) -> Prospect:
        """Steps, time and queue of a draft as it is. Raises Refusal as `check_wish` does."""
        spec = await self._spec(draft)
        speed = await self._estimates.seconds_per_step(JobKind.train, spec.base)
        waiting = [*await self._jobs.running(JobKind.train), *await self._jobs.queued(JobKind.train)]
        seconds = speed * (spec.recipe.steps or 0) if speed is not None else None
        return Prospect(draft, spec, seconds, len(waiting))

    async def start(self, draft_id: int, user_id: int, asker: Asker = MEMBER) -> Job:
        """Queue a draft's training; it is safe once this returns.

        Raises Refusal: draft_gone, too_few_photos, disk_full, and as `check` does.
        """
        draft = await self.of(draft_id, user_id)
        if len(draft.used) < MIN_PHOTOS:
            raise Refusal("too_few_photos", usable=len(draft.used), minimum=MIN_PHOTOS, rejected=())
        spec = await self._spec(draft)
        with refuse_when_full():
            try:
                folder = await asyncio.to_thread(self._write_job, spec, draft)
            except FileNotFoundError as error:  # another press started or replaced it meanwhile
                raise Refusal("draft_gone") from error
            try:
                job = await self._adopt_job(folder, spec, draft, asker)
            except BaseException:
                await asyncio.to_thread(self._files.remove, folder)
                raise
        self._wake()
        await asyncio.to_thread(self._files.remove, self._files.draft(draft.id))
        return job

    async def discard(self, draft_id: int, user_id: int) -> None:
        """Forget a draft and its photos. Raises Refusal(draft_gone)."""
        draft = await self.of(draft_id, user_id)
        await self._drafts.delete(draft.id)
        await asyncio.to_thread(self._files.remove, self._files.draft(draft.id))

    def crop_files(self, draft: Draft) -> list[Path]:
        """The pictures of a draft's crops, in their order."""
        return [self._files.draft(draft.id) / f"{place}.png" for place in range(len(draft.crops))]

    async def _advice(self, crops: Sequence[Crop], wish: Wish, base: Base) -> list[Notice]:
        """What is only unwise."""
        advice = []
        # The mini model's people are drawn, and its photos with them: no detector knows such faces.
        if kind_of(wish.class_name) and base.preset != "mini":
            without = [crop.label for crop in crops if not crop.found]
            if without:
                advice.append(Notice("no_face", {"photos": ", ".join(without)}))
        if await asyncio.to_thread(is_common_word, wish.name, Path(base.source) / "tokenizer"):
            advice.append(Notice("common_word", {"name": wish.name}))
        return advice

    async def _spec(self, draft: Draft) -> TrainSpec:
        """By the guild's settings of now, which may have changed since the draft was made."""
        settings = await self._settings.get(draft.guild_id)
        wish = Wish.model_validate_json(draft.wish)
        base = await asyncio.to_thread(check_wish, wish, settings, self._base, photos=0, age_restricted=True)
        pool = str(self._files.class_pool(base.alias))
        return spec_of(wish, settings, base, len(draft.used), pool)

    async def _check_access(self, asker: Asker, origin: Origin, tx: Connection | None = None) -> None:
        await self._access.check(
            "train",
            user_id=origin["user_id"],
            guild_id=origin["guild_id"],
            role_ids=asker.role_ids,
            manager=asker.manager,
            tx=tx,
        )

    async def _adopt_draft(
        self, folder: Path, wish: Wish, crops: Sequence[Crop], notices: Sequence[Notice], origin: Origin
    ) -> Draft:
        """Row and folder appear together; what an earlier draft leaves is removed after that."""
        async with self._db.transaction() as tx:
            earlier = await self._drafts.of(origin["user_id"], origin["guild_id"], tx)
            draft = await self._drafts.create(
                wish=wish.model_dump_json(),
                crops=crops,
                notices=[(notice.code, notice.params) for notice in notices],
                consent_at=time.time(),
                tx=tx,
                **origin,
            )
            target = self._files.draft(draft.id)
            await asyncio.to_thread(self._files.remove, target)
            await asyncio.to_thread(self._files.adopt, folder, target)
        if earlier is not None:
            await asyncio.to_thread(self._files.remove, self._files.draft(earlier.id))
        return draft

    def _write_job(self, spec: TrainSpec, draft: Draft) -> Path:
        """Write the job's folder under a passing name; a failure leaves nothing behind."""
        files = self.crop_files(draft)
        folder = self._files.incoming_job()
        try:
            images = [Image.open(files[place]) for place in draft.used]
            write_job(folder, spec, {PHOTOS: images})
        except BaseException:
            self._files.remove(folder)
            raise
        return folder

    async def _adopt_job(self, folder: Path, spec: TrainSpec, draft: Draft, asker: Asker) -> Job:
        """Row and folder appear together; a crash in between leaves a folder without a row: it is swept."""
        origin = Origin(
            user_id=draft.user_id, guild_id=draft.guild_id, channel_id=draft.channel_id, locale=draft.locale
        )
        async with self._db.transaction() as tx:
            # Counted inside the transaction: only one of two clicks at once finds the draft, or a place.
            await self._check_access(asker, origin, tx)
            if not await self._drafts.delete(draft.id, tx):
                raise Refusal("draft_gone")
            job = await self._jobs.create(
                JobKind.train,
                payload=spec.model_dump_json(),
                steps=spec.recipe.steps or 0,
                photos=len(draft.used),
                consent_at=draft.consent_at,
                tx=tx,
                **origin,
            )
            target = self._files.job(job.id)
            # The id is new, so whatever lies there comes from a commit that failed.
            await asyncio.to_thread(self._files.remove, target)
            await asyncio.to_thread(self._files.adopt, folder, target)
        return job
