"""From a draft to a training in the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from bot.services.access import Access
from bot.services.drafting import Drafting
from bot.services.estimates import Estimates
from bot.services.imagining import MEMBER, Asker
from bot.services.refusal import Refusal, refuse_when_full
from bot.services.wish import PHOTOS, Wish, check_wish, spec_of
from data.database import Database
from data.drafts import Draft, Drafts
from data.files import FileStore
from data.jobs import Job, JobKind, Jobs
from data.settings import Settings
from trainer.job import write_job
from trainer.spec import MIN_PHOTOS, TrainSpec


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
    """Says what drafts would become, and puts trainings into the queue."""

    def __init__(
        self,
        db: Database,
        files: FileStore,
        jobs: Jobs,
        settings: Settings,
        access: Access,
        estimates: Estimates,
        drafting: Drafting,
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
        self._drafting = drafting
        self._drafts = Drafts(db)
        self._base = base
        self._wake = wake

    async def prospect(self, draft: Draft) -> Prospect:
        """Steps, time and queue of a draft as it is. Raises Refusal as `check_wish` does."""
        spec = await self._spec(draft)
        speed = await self._estimates.seconds_per_step(JobKind.train, spec.base)
        waiting = [*await self._jobs.running(JobKind.train), *await self._jobs.queued(JobKind.train)]
        seconds = speed * (spec.recipe.steps or 0) if speed is not None else None
        return Prospect(draft, spec, seconds, len(waiting))

    async def start(self, draft_id: int, user_id: int, asker: Asker = MEMBER) -> Job:
        """Queue a draft's training; it is safe once this returns.

        Raises Refusal: draft_gone, too_few_photos, disk_full, and as `check_wish` and `Access.check` do.
        """
        draft = await self._drafting.of(draft_id, user_id)
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
                await asyncio.to_thread(self._files.discard, folder)
                raise
        self._wake()
        await asyncio.to_thread(self._files.discard, self._files.draft(draft.id))
        return job

    async def _spec(self, draft: Draft) -> TrainSpec:
        """By the guild's settings of now, which may have changed since the draft was made."""
        settings = await self._settings.get(draft.guild_id)
        wish = Wish.model_validate_json(draft.wish)
        base = await asyncio.to_thread(check_wish, wish, settings, self._base, age_restricted=True)
        pool = str(self._files.class_pool(base.alias))
        return spec_of(wish, settings, base, len(draft.used), pool)

    def _write_job(self, spec: TrainSpec, draft: Draft) -> Path:
        """Write the job's folder under a passing name; a failure leaves nothing behind."""
        files = self._drafting.crop_files(draft)
        folder = self._files.incoming_job()
        try:
            images = [Image.open(files[place]) for place in draft.used]
            write_job(folder, spec, {PHOTOS: images})
        except BaseException:
            self._files.discard(folder)
            raise
        return folder

    async def _adopt_job(self, folder: Path, spec: TrainSpec, draft: Draft, asker: Asker) -> Job:
        """Row and folder appear together; a crash in between leaves a folder without a row: it is swept."""
        async with self._db.transaction() as tx:
            # Counted inside the transaction: only one of two clicks at once finds the draft, or a place.
            await self._access.check(
                "train",
                user_id=draft.user_id,
                guild_id=draft.guild_id,
                role_ids=asker.role_ids,
                manager=asker.manager,
                tx=tx,
            )
            if not await self._drafts.delete(draft.id, tx):
                raise Refusal("draft_gone")
            job = await self._jobs.create(
                JobKind.train,
                payload=spec.model_dump_json(),
                steps=spec.recipe.steps or 0,
                photos=len(draft.used),
                consent_at=draft.consent_at,
                tx=tx,
                **draft.origin,
            )
            target = self._files.job(job.id)
            # The id is new, so whatever lies there comes from a commit that failed.
            await asyncio.to_thread(self._files.remove, target)
            await asyncio.to_thread(self._files.adopt, folder, target)
        return job
