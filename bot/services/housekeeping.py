"""What a job leaves on disk once it ended. Everything here may be done twice: a crash repeats it."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from pathlib import Path

from data.database import Database
from data.drafts import Drafts
from data.files import FileStore
from data.jobs import Job, JobKind, Jobs, JobState
from data.models import Models
from data.pictures import Pictures
from data.settings import Settings
from inference.endpoint_pictures import forget_marks

logger = logging.getLogger(__name__)

_DAY = 24 * 3600.0
_KEEP_FAILED_SECONDS = 7 * _DAY
"""How long a failed training keeps its photos and checkpoint, for whoever looks into the failure."""
_KEEP_BACKUPS_SECONDS = 14 * _DAY
"""How long the database is kept as it was before an update: it still holds who has left since."""

PROGRESS_PICTURES = ("strip.png", "loss.png")
"""What the trainer draws while it works; they move to the samples once it is done."""


class Housekeeping:
    """Moves results to their places, and removes photos and whatever else nobody needs any more."""

    def __init__(
        self, db: Database, files: FileStore, jobs: Jobs, models: Models, pictures: Pictures
    ) -> None:
        self._drafts = Drafts(db)
        self._settings = Settings(db)
        self._files = files
        self._jobs = jobs
        self._models = models
        self._pictures = pictures

    async def settle(self, job: Job) -> None:
        """Tidy up after a job that ended. Raises OSError."""
        if job.kind is JobKind.train:
            days = (await self._settings.get(job.guild_id)).photo_days
            await asyncio.to_thread(self._settle_training, job, days * _DAY)
        elif job.state is not JobState.done:
            await self._pictures.delete_job(job.id)
            await asyncio.to_thread(self._files.remove, self._files.pictures(job.id))
        else:
            await asyncio.to_thread(forget_marks, self._files.pictures(job.id))

    async def sweep(self) -> None:
        """At the start, before any work: finish or undo what a crash interrupted."""
        await asyncio.to_thread(self._files.sweep)
        for folder, number in await asyncio.to_thread(_numbered, self._files.jobs):
            job = await self._jobs.get(number)
            if job is None:
                await self._remove(folder)
            elif job.state.ended:
                await self._settle_again(job)
        await self._sweep_drafts()
        for folder, number in await asyncio.to_thread(_numbered, self._files.models):
            if await self._models.get(number) is None:
                await self._remove(folder)
        for folder, number in await asyncio.to_thread(_numbered, self._files.all_pictures):
            await self._sweep_pictures(folder, number)
        for log in await asyncio.to_thread(lambda: list(self._files.logs.glob("training-*.log"))):
            of_job = log.stem.removeprefix("training-")
            if of_job.isdigit() and await self._jobs.get(int(of_job)) is None:
                await asyncio.to_thread(log.unlink, missing_ok=True)
        await asyncio.to_thread(self._files.remove_backups, time.time() - _KEEP_BACKUPS_SECONDS)

    async def sweep_ended(self) -> None:
        """Now and then, beside the work: what a failed training kept goes when its time is over."""
        for _, number in await asyncio.to_thread(_numbered, self._files.jobs):
            job = await self._jobs.get(number)
            if job is not None and (job.state is JobState.failed or job.announced):
                await self._settle_again(job)
        await self._sweep_drafts()
        await asyncio.to_thread(self._files.remove_backups, time.time() - _KEEP_BACKUPS_SECONDS)

    async def _sweep_drafts(self) -> None:
        await self._drafts.delete_old()
        for folder, number in await asyncio.to_thread(_numbered, self._files.drafts):
            if await self._drafts.get(number) is None:
                await self._remove(folder)

    def _settle_training(self, job: Job, keep_photos: float) -> None:
        """`keep_photos` is the time in seconds that a finished training's photos stay."""
        folder = self._files.job(job.id)
        if not folder.exists():
            return
        if job.state is JobState.failed and time.time() - (job.finished_at or 0) < _KEEP_FAILED_SECONDS:
            return
        if job.state is JobState.done and job.model_id is not None:
            if (folder / "model").exists():
                self._files.adopt(folder / "model", self._files.model(job.model_id))
            if (folder / "samples").exists():
                self._files.adopt(folder / "samples", self._files.pictures(job.id))
            for name in PROGRESS_PICTURES:
                if (folder / name).exists() and self._files.pictures(job.id).exists():
                    (folder / name).replace(self._files.pictures(job.id) / name)
        log = folder / "trainer.log"
        if log.exists():
            log.replace(self._files.logs / f"training-{job.id}.log")
        if job.state is JobState.done and time.time() - (job.finished_at or 0) < keep_photos:
            _remove_all_but(folder, "photos")
            return
        # Photos, and what was computed from them, are nobody's business any more.
        shutil.rmtree(folder)

    async def _settle_again(self, job: Job) -> None:
        try:
            await self.settle(job)
        except OSError:
            # An old trainer may still be leaving this folder; the next start finds it again.
            logger.exception("job %d could not be tidied up", job.id)

    async def _sweep_pictures(self, folder: Path, job_id: int) -> None:
        job = await self._jobs.get(job_id)
        if job is None or (job.state.ended and not await self._pictures.of_job(job_id)):
            await self._remove(folder)

    async def _remove(self, folder: Path) -> None:
        try:
            await asyncio.to_thread(self._files.remove, folder)
        except OSError:
            logger.exception("%s could not be removed", folder)


def _remove_all_but(folder: Path, kept: str) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name != kept:
            shutil.rmtree(entry)
        elif entry.is_file():
            entry.unlink()


def _numbered(folder: Path) -> list[tuple[Path, int]]:
    return [(entry, int(entry.name)) for entry in folder.iterdir() if entry.name.isdigit()]
