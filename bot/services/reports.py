"""Reports: taken, and decided by moderators."""

from __future__ import annotations

import asyncio
import time

from aiosqlite import Connection

from bot.services.draw_payload import is_private
from bot.services.refusal import Refusal
from data.database import Database
from data.gallery import Gallery
from data.jobs import Job, Jobs, JobState
from data.personal import Personal
from data.pictures import Picture, Pictures
from data.reports import ALL, Report, Reports

MAX_REASON = 500


class ReportService:
    """Keeps what people report, and takes pictures away when a moderator says so."""

    def __init__(
        self, db: Database, jobs: Jobs, pictures: Pictures, reports: Reports, gallery: Gallery
    ) -> None:
        self._db = db
        self._jobs = jobs
        self._pictures = pictures
        self._reports = reports
        self._gallery = gallery
        self._personal = Personal(db)

    async def reported(self, report: Report) -> list[Picture]:
        """The pictures that a report is about."""
        pictures = await self._pictures.of_job(report.job_id)
        return [picture for picture in pictures if report.idx in (ALL, picture.idx)]

    async def reportable(self, job: Job, user_id: int) -> tuple[list[Picture], bool]:
        """The pictures of a job that a person may report, and whether those are all that it has.

        Of somebody else's private drawing that is what they have shared. Raises Refusal(no_such_picture).
        """
        pictures = everything = await self._pictures.of_job(job.id)
        if job.user_id != user_id and is_private(job):
            shared = {entry.picture_id for entry in await self._gallery.of_job(job.id)}
            pictures = [picture for picture in everything if picture.id in shared]
        if not pictures:
            raise Refusal("no_such_picture")
        return pictures, pictures == everything

    async def check(self, job: Job, idx: int, user_id: int) -> None:
        """Whether a person may report picture `idx` of a job, or `ALL`. Raises Refusal(no_such_picture)."""
        pictures, complete = await self.reportable(job, user_id)
        if not (complete if idx == ALL else any(picture.idx == idx for picture in pictures)):
            raise Refusal("no_such_picture")

    async def file(self, job: Job, idx: int, *, reporter_id: int, reason: str, locale: str) -> Report:
        """Take a report. Raises Refusal: no_such_picture, reported_already."""
        await self.check(job, idx, reporter_id)
        report = await self._reports.add(
            job_id=job.id,
            idx=idx,
            reporter_id=reporter_id,
            guild_id=job.guild_id,
            reason=" ".join(reason.split())[:MAX_REASON],
            locale=locale,
        )
        if report is None:
            raise Refusal("reported_already")
        return report

    async def open(self, report_id: int) -> Report:
        """A report that nobody decided yet. Raises Refusal: no_such_report, decided_already."""
        report = await self._reports.get(report_id)
        if report is None:
            raise Refusal("no_such_report")
        if report.state != "open":
            raise Refusal("decided_already")
        return report

    async def dismiss(self, report_id: int) -> list[Report]:
        """Leave the picture; whoever reported it is returned. Raises Refusal as `open` does."""
        async with self._db.transaction() as tx:
            return await self._close(await self.open(report_id), "dismissed", tx)

    async def remove(self, report_id: int) -> tuple[list[Report], Job | None, list[Picture]]:
        """Take the picture from the disk and the gallery; messages that show it wait in `removals`.

        Returns who reported it, and, where other pictures of its job are left, that job with those: its card
        has to be shown anew. Raises Refusal as `open` does.
        """
        report = await self.open(report_id)
        about = await self.reported(report)
        job = await self._jobs.get(report.job_id)
        left = [one for one in await self._pictures.of_job(report.job_id) if one not in about]
        async with self._db.transaction() as tx:
            closed = await self._close(report, "removed", tx)
            for picture in about:
                await tx.execute("UPDATE pictures SET deleted_at = ? WHERE id = ?", (time.time(), picture.id))
            shown = await self._personal.forget_pictures([picture.id for picture in about], tx)
            if not left:
                shown += await self._jobs.message(report.job_id, tx)
            await self._personal.take_down(shown, tx)
        for picture in about:
            await asyncio.to_thread(picture.path.unlink, missing_ok=True)
        redraw = job if left and job is not None and job.state is JobState.done else None
        return closed, redraw, left

    async def take_card_down(self, job: Job) -> None:
        """Have a job's card removed, which shows what is gone and could not be shown anew."""
        if job.message_id is not None:
            async with self._db.transaction() as tx:
                await self._personal.take_down([(job.channel_id, job.message_id)], tx)

    async def _close(self, report: Report, state: str, tx: Connection) -> list[Report]:
        closed = await self._reports.close(report, state, tx)
        if not closed:  # somebody else was quicker
            raise Refusal("decided_already")
        return closed
