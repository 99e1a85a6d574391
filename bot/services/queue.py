"""Serves the queue: one training and one drawing at a time, fairly, through crashes and restarts."""

from __future__ import annotations

import asyncio
import logging

from bot.gpu.base import Gpu
from bot.services.announcer import Announcer, Listener
from bot.services.housekeeping import Housekeeping
from bot.services.refusal import out_of_space
from bot.services.work import MAX_ATTEMPTS, Work
from data.database import Database
from data.files import FileStore
from data.jobs import JobKind, Jobs
from data.models import Models
from data.pictures import Pictures

logger = logging.getLogger(__name__)

_TIDY_SECONDS = 24 * 3600.0
_PAUSE_SECONDS = 5.0
"""Before the next try when something failed that must not be given up, such as writing the database."""


class Dispatcher:
    """Owns the background tasks. Start it from a task that outlives it, never from a Discord callback."""

    def __init__(
        self,
        db: Database,
        files: FileStore,
        jobs: Jobs,
        models: Models,
        pictures: Pictures,
        gpu: Gpu,
        listener: Listener,
    ) -> None:
        self._jobs = jobs
        self._housekeeping = Housekeeping(files, jobs, models, pictures)
        self._announcer = Announcer(jobs, pictures, listener)
        self._work = Work(db, files, jobs, models, pictures, gpu, self._announcer.changed)
        self._wake = {kind: asyncio.Event() for kind in JobKind}
        self._stopping = asyncio.Event()
        self._running: dict[int, asyncio.Task[None]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Tidy up after a crash, put interrupted jobs back into the queue and begin to serve it."""
        await self._housekeeping.sweep()
        for job in await self._jobs.requeue_running():
            if job.attempts >= MAX_ATTEMPTS:
                code = "trainer_lost" if job.kind is JobKind.train else "server_lost"
                await self._jobs.fail(job.id, code, f"The job was interrupted {job.attempts} times.")
        await self._announcer.start()
        self._tasks = [asyncio.create_task(self._serve(kind), name=f"serve-{kind}") for kind in JobKind]
        self._tasks.append(asyncio.create_task(self._tidy(), name="tidy"))

    async def stop(self) -> None:
        """Put running jobs back into the queue, a training at its checkpoint, and end all tasks."""
        self._stopping.set()
        self.wake()
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._tasks)
        await self._announcer.stop()

    def wake(self) -> None:
        """There may be a new job in the queue."""
        for event in self._wake.values():
            event.set()

    async def cancel(self, job_id: int) -> bool:
        """Cancel a job that waits or runs. False when it had ended before.

        It counts as cancelled at once; what runs is stopped in the background.
        """
        if not await self._jobs.cancel(job_id):
            return False
        running = self._running.get(job_id)
        if running is not None:
            running.cancel()
            self._announcer.ended(job_id)
        else:
            await self._end(job_id)
        return True

    async def _serve(self, kind: JobKind) -> None:
        while not self._stopping.is_set():
            try:
                if not await self._serve_next(kind):
                    await self._wake[kind].wait()
            except Exception:  # a worker outlives every error, or nobody would be served any more
                logger.exception("the %s queue could not be served", kind)
                await self._pause()

    async def _tidy(self) -> None:
        while not self._stopping.is_set():
            await self._pause(_TIDY_SECONDS)
            try:
                await self._housekeeping.sweep_ended()
            except Exception:  # tomorrow is another day
                logger.exception("old jobs could not be tidied up")

    async def _serve_next(self, kind: JobKind) -> bool:
        self._wake[kind].clear()
        job = await self._jobs.next_fair(kind)
        if job is None or self._stopping.is_set():
            return False
        task = self._running[job.id] = asyncio.create_task(self._run(job.id), name=f"job-{job.id}")
        await asyncio.wait([task])
        while not await self._concluded(job.id, task) and not self._stopping.is_set():
            await self._pause()
        del self._running[job.id]
        return True

    async def _run(self, job_id: int) -> None:
        job = await self._jobs.start(job_id)
        if job is None:  # cancelled since it was chosen
            return
        self._announcer.changed(job_id)
        await self._show_queue(job.kind)
        await self._work.run(job)

    async def _concluded(self, job_id: int, task: asyncio.Task[None]) -> bool:
        """Give a job whose task ended its state. False when the database can't be written now."""
        error = None if task.cancelled() else task.exception()
        try:
            if task.cancelled():  # by `stop`; after `cancel` it is no longer running
                await self._jobs.requeue(job_id, lost=False)
            elif error is not None:
                logger.error("job %d broke off", job_id, exc_info=error)
                code, message = _explain(error)
                await self._jobs.fail(job_id, code, message)
            await self._end(job_id)
        except Exception:
            logger.exception("job %d can't be concluded", job_id)
            return False
        return True

    async def _end(self, job_id: int) -> None:
        """Tidy up after a job, if it ended, and tell."""
        job = await self._jobs.get(job_id)
        if job is None:
            return
        if job.state.ended:
            try:
                await self._housekeeping.settle(job)
            except OSError:  # the next start does it
                logger.exception("job %d could not be tidied up", job_id)
            self._announcer.ended(job_id)
        else:
            self._announcer.changed(job_id)
        await self._show_queue(job.kind)

    async def _show_queue(self, kind: JobKind) -> None:
        """Everyone who waits has a new place."""
        for job in await self._jobs.queued(kind):
            self._announcer.changed(job.id)

    async def _pause(self, seconds: float = _PAUSE_SECONDS) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass


def _explain(error: BaseException) -> tuple[str, str]:
    if out_of_space(error):
        return "disk_full", "The disk is full."
    return "internal", "Something went wrong that is described in the bot's log."
