"""Tells the face what became of jobs, at the face's own pace: work never waits for Discord."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Protocol

from bot.faults import tell
from data.database import until_written
from data.jobs import Job, Jobs, JobState
from data.pictures import Picture, Pictures

logger = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS = 15.0
_LAST_RETRY_SECONDS = 600.0
_GIVE_UP_SECONDS = 24 * 3600.0
"""An end that could not be told for so long is old news."""


class Listener(Protocol):
    """The face. It is never called twice at once for the same job, and always with its latest state."""

    async def job_changed(self, job: Job) -> None:
        """A job that has not ended moved on: its state, its progress or its place in the queue."""

    async def finished(self, job: Job) -> None:
        """A job ended. Called again when it or `pictures_ready` raises, so it must be idempotent."""

    async def pictures_ready(self, job: Job, pictures: list[Picture]) -> None:
        """After `finished`, for a job that is done and has pictures."""


class Announcer:
    """Passes jobs on to a listener, each job in a task of its own.

    Changes that come while the listener is busy are merged into one. The end of a job is told until the
    listener took it, after a restart too.
    """

    def __init__(
        self, jobs: Jobs, pictures: Pictures, listener: Listener, first_retry: float = _FIRST_RETRY_SECONDS
    ) -> None:
        self._jobs = jobs
        self._pictures = pictures
        self._listener = listener
        self._first_retry = first_retry
        self._changed: set[int] = set()
        self._ended: set[int] = set()
        self._busy: set[int] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to announce, first the ends that nobody was told before a restart."""
        for job in await self._jobs.unannounced(since=time.time() - _GIVE_UP_SECONDS):
            self.ended(job.id)
        self._task = asyncio.create_task(self._run(), name="announcer")

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """What goes on from `start` to `stop`."""
        return [self._task] if self._task is not None else []

    async def stop(self) -> None:
        """Stop announcing; what was not told is told after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def changed(self, job_id: int) -> None:
        """A job moved on."""
        self._changed.add(job_id)
        self._wake.set()

    def ended(self, job_id: int) -> None:
        """A job ended and its results lie in their places."""
        self._ended.add(job_id)
        self.changed(job_id)

    async def _run(self) -> None:
        # All tasks are born here, not in `changed`: its callers may be tasks that end soon.
        async with asyncio.TaskGroup() as group:
            while True:
                await self._wake.wait()
                self._wake.clear()
                for job_id in self._changed - self._busy:
                    self._busy.add(job_id)
                    group.create_task(self._tell(job_id), name=f"announce-{job_id}")

    async def _tell(self, job_id: int) -> None:
        try:
            while job_id in self._changed:
                self._changed.discard(job_id)
                job = await self._jobs.get(job_id)
                if job is None or job.announced:
                    self._ended.discard(job_id)
                    continue
                if not job.state.ended:
                    await self._listener.job_changed(job)
                elif job_id in self._ended:
                    await self._tell_end(job)
        except Exception as error:
            tell(logger, error, f"job {job_id}: a change could not be shown")
        finally:
            self._busy.discard(job_id)
            if job_id in self._changed:
                self._wake.set()

    async def _tell_end(self, job: Job) -> None:
        delay = self._first_retry
        while time.time() - (job.finished_at or 0) < _GIVE_UP_SECONDS:
            try:
                await self._listener.finished(job)
                pictures = await self._pictures.of_job(job.id)
                if job.state is JobState.done and pictures:
                    await self._listener.pictures_ready(job, pictures)
                await until_written(lambda: self._jobs.mark_announced(job.id))
                break
            except Exception as error:
                tell(logger, error, f"job {job.id}: its end could not be told, next try in {delay:.0f} s")
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LAST_RETRY_SECONDS)
        self._ended.discard(job.id)
