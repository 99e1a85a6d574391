"""What a job leaves on disk once it ended. Everything here may be done twice: a crash repeats it."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
from collections.abc import AsyncGenerator, Collection
from itertools import islice
from pathlib import Path

from bot.services.retention import Retention
from data.database import Database
from data.drafts import Drafts
from data.files import FileStore
from data.ids import row_id
from data.jobs import Job, JobKind, Jobs, JobState
from data.pictures import Pictures
from data.settings import Settings
from inference.endpoint_pictures import forget_marks

logger = logging.getLogger(__name__)

_DAY = 24 * 3600.0
_KEEP_FAILED_SECONDS = 7 * _DAY
"""How long a failed training keeps its photos and checkpoint, for whoever looks into the failure."""
_KEEP_BACKUPS_SECONDS = 14 * _DAY
"""How long the database is kept as it was before an update: it still holds who has left since."""
_KEEP_LOGS_SECONDS = 30 * _DAY
"""How long a training's log is kept after its end."""
_TABLES = ("jobs", "drafts", "models")
"""Each has a folder of its name, and in it one for every row that needs one."""
_PIECE = 200
"""Folders looked at in one go: between them, others have the disk and the database."""

Piece = dict[int, Path]
"""Folders by the number that is their name."""

PROGRESS_PICTURES = ("strip.png", "loss.png")
"""What the trainer draws while it works; they move to the samples once it is done."""


class Housekeeping:
    """Moves results to their places, and removes photos and whatever else nobody needs any more."""

    def __init__(self, db: Database, files: FileStore, jobs: Jobs, pictures: Pictures) -> None:
        self._db = db
        self._drafts = Drafts(db)
        self._settings = Settings(db)
        self._files = files
        self._jobs = jobs
        self._pictures = pictures
        self._retention = Retention(files, pictures, self._settings)

    async def settle(self, job: Job) -> None:
        """Tidy up after a job that ended. Raises OSError."""
        if job.kind is JobKind.train:
            days = (await self._settings.get(job.guild_id)).photo_days
            await asyncio.to_thread(self._settle_training, job, days * _DAY)
        elif job.state is not JobState.done:
            await self._pictures.delete_job(job.id)
            await asyncio.to_thread(self._files.discard, self._files.pictures(job.id))
        else:
            await asyncio.to_thread(forget_marks, self._files.pictures(job.id))
            await self._retention.make_room(job.user_id, job.guild_id)

    async def start(self) -> None:
        """Before anybody is served: finish or undo what a crash interrupted, as far as work would meet it.

        What may lie among the drawings of years is left to `clear` and `sweep`.
        """
        await asyncio.to_thread(self._files.sweep)
        for table in _TABLES:
            async for piece in _numbered(self._files.home / table):
                await self._remove_all_but(await self._known(table, piece), piece)
        for kind in JobKind:
            for job in await self._jobs.running(kind):
                await asyncio.to_thread(self._files.sweep_pictures, job.id)
        async for piece in _numbered(self._files.jobs):
            for number in piece:
                await self._settle_ended(number)
        for job in await self._jobs.unannounced(since=time.time() - _DAY):
            await self._settle_again(job)

    async def clear(self) -> None:
        """Before the first drawing: no pictures may lie where one will be made that has no number yet.

        They are there when the database was put back from a backup.
        """
        row = await self._db.row("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'")
        newest = int(row["seq"]) if row else 0
        for folder in await asyncio.to_thread(self._files.stray_pictures, newest):
            await asyncio.to_thread(self._files.sweep_away, folder)

    async def sweep(self) -> None:
        """Beside the work, in pieces: what belongs to nobody any more, or whose time is over."""
        for step in (
            self._sweep_jobs,
            self._sweep_drafts,
            self._sweep_pictures,
            self._retention.expire,
            self._sweep_logs,
            self._sweep_backups,
        ):
            try:
                await step()
            except Exception:  # of one; the others are not to wait for it, and tomorrow is another day
                logger.exception("old files could not be tidied up")

    async def _sweep_jobs(self) -> None:
        async for piece in _numbered(self._files.jobs):
            for number in piece:
                await self._settle_ended(number, untold=False)

    async def _sweep_drafts(self) -> None:
        await self._drafts.delete_old()
        async for piece in _numbered(self._files.drafts):
            await self._remove_all_but(await self._known("drafts", piece), piece)

    async def _sweep_pictures(self) -> None:
        async for piece in _numbered(self._files.all_pictures):
            await self._remove_all_but(await self._pictured(piece), piece)

    async def _sweep_backups(self) -> None:
        await asyncio.to_thread(self._files.sweep_backups, time.time() - _KEEP_BACKUPS_SECONDS)

    async def _sweep_logs(self) -> None:
        """Of trainings that are over for long, or that nobody knows."""
        old = time.time() - _KEEP_LOGS_SECONDS
        for log in await asyncio.to_thread(lambda: list(self._files.logs.glob("training-*.log*"))):
            number = row_id(log.name.removeprefix("training-").partition(".")[0])
            if number is None:
                continue
            job = await self._jobs.get(number)
            if job is None or (job.finished_at is not None and job.finished_at < old):
                await asyncio.to_thread(self._files.sweep_away, log)

    async def _known(self, table: str, piece: Piece) -> set[int]:
        rows = await self._db.rows(f"SELECT id FROM {table} WHERE id IN ({_marks(piece)})", tuple(piece))
        return {int(row["id"]) for row in rows}

    async def _pictured(self, piece: Piece) -> set[int]:
        """Jobs that have pictures, or may still get some."""
        rows = await self._db.rows(
            f"SELECT id FROM jobs WHERE id IN ({_marks(piece)}) AND (state IN ('queued', 'running')"
            " OR EXISTS (SELECT 1 FROM pictures WHERE job_id = jobs.id AND deleted_at IS NULL))",
            tuple(piece),
        )
        return {int(row["id"]) for row in rows}

    async def _remove_all_but(self, kept: set[int], piece: Piece) -> None:
        for number, folder in piece.items():
            if number not in kept:
                await asyncio.to_thread(self._files.sweep_away, folder)

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

    async def _settle_ended(self, number: int, *, untold: bool = True) -> None:
        """Settle a job if it ended; `untold` also one whose end is being told right now."""
        job = await self._jobs.get(number)
        if job is not None and job.state.ended and (untold or _is_over(job)):
            await self._settle_again(job)

    async def _settle_again(self, job: Job) -> None:
        try:
            await self.settle(job)
        except Exception:
            # An old trainer may still be leaving this folder; the next start finds it again.
            logger.exception("job %d could not be tidied up", job.id)


def _remove_all_but(folder: Path, kept: str) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name != kept:
            shutil.rmtree(entry)
        elif entry.is_file():
            entry.unlink()


async def _numbered(folder: Path) -> AsyncGenerator[Piece, None]:
    """The folders within that have a number for their name, some at a time."""
    # Read to its end in one thread: an open listing must not be closed by whoever cancels meanwhile.
    names = await asyncio.to_thread(os.listdir, folder)
    numbered = ((number, folder / name) for name in names if (number := row_id(name)) is not None)
    while piece := dict(islice(numbered, _PIECE)):
        yield piece


def _is_over(job: Job) -> bool:
    """Whether nobody needs the folder of a job that ended any more, to tell how."""
    told = job.announced or time.time() - (job.finished_at or 0) > _DAY
    return job.state is JobState.failed or told


def _marks(values: Collection[int]) -> str:
    return ", ".join("?" * len(values))
