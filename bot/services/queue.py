"""Serves the queue lane by lane, fairly, through crashes and restarts."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from pydantic import ValidationError

from bot.gpu.base import Gpu
from bot.services.announcer import Announcer, Listener
from bot.services.draw_payload import DrawPayload
from bot.services.endpoints import EndpointService
from bot.services.housekeeping import Housekeeping
from bot.services.work import MAX_ATTEMPTS, Work
from data.database import Database, until_written
from data.files import FileStore
from data.jobs import Job, JobKind, Jobs, Lane
from data.models import Models
from data.pictures import Pictures

logger = logging.getLogger(__name__)

_TIDY_SECONDS = 24 * 3600.0
_NEAR = 5
"""Places from the front of a queue at which each step forward is shown."""
_PAUSE_SECONDS = 5.0
"""Before the next try when something failed that must not be given up, such as writing the database."""


class _Served(NamedTuple):
    user_id: int
    places: int


@dataclass(eq=False)
class _Queue:
    """The jobs of one kind and lane: those that run have places, of which there are `limit()`."""

    kind: JobKind
    lane: Lane
    limit: Callable[[], int]
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    served: dict[int, _Served] = field(default_factory=dict)
    """What runs, by the job's id."""

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.lane}"

    @property
    def free(self) -> int:
        """Places that nobody has; below 0 once there are fewer than there were."""
        return self.limit() - sum(one.places for one in self.served.values())

    def needs(self, job: Job) -> int:
        """Places that a job takes: a drawing on our own device one a picture.

        After a crash it takes all: it may be what brings the process down, and must not take others along.
        """
        if self.kind is JobKind.train or self.lane is Lane.endpoint:
            return 1
        if job.attempts:
            return self.limit()
        try:
            return DrawPayload.of(job).count
        except ValidationError:  # another version wrote it; it fails once it runs, and holds up nobody
            return 1

    def fits(self, job: Job) -> bool:
        """Whether there is room for a job. One that is too large for everything runs alone."""
        return not self.served or self.needs(job) <= self.free

    def sated(self) -> list[int]:
        """People who may not have more of it at once: about half of the places is for others."""
        had: Counter[int] = Counter()
        for user_id, places in self.served.values():
            had[user_id] += places
        return [user for user, places in had.items() if 2 * places >= self.limit()]


class Dispatcher:
    """Owns the background tasks. Start it from a task that outlives it, never from a Discord callback.

    `endpoint_drawings` is how many drawings wait for people's endpoints at once. Our own device has in hand
    what it draws at once and as much again, so that it finds requests that can be drawn together.
    """

    def __init__(
        self,
        db: Database,
        files: FileStore,
        jobs: Jobs,
        models: Models,
        pictures: Pictures,
        gpu: Gpu,
        listener: Listener,
        *,
        endpoints: EndpointService | None = None,
        endpoint_drawings: int = 4,
    ) -> None:
        self._jobs = jobs
        self._housekeeping = Housekeeping(db, files, jobs, pictures)
        self._announcer = Announcer(jobs, pictures, listener)
        self._work = Work(db, files, jobs, models, pictures, gpu, self._announcer.changed, endpoints)
        self._queues = (
            _Queue(JobKind.train, Lane.gpu, lambda: 1),
            _Queue(JobKind.draw, Lane.gpu, lambda: max(1, 2 * gpu.batch)),
            _Queue(JobKind.draw, Lane.endpoint, lambda: endpoint_drawings),
        )
        self._stopping = asyncio.Event()
        self._settled = asyncio.Condition()
        self._running: dict[int, asyncio.Task[None]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._cleared = asyncio.Event()
        self._tidying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Tidy up after a crash, put interrupted jobs back into the queue and begin to serve it."""
        await self._housekeeping.start()
        for job in await until_written(self._jobs.requeue_running):
            if job.fruitless >= MAX_ATTEMPTS:
                code = "trainer_lost" if job.kind is JobKind.train else "server_lost"
                fail = partial(self._jobs.fail, job.id, code, "The job was interrupted again and again.")
                await until_written(fail)
        await self._announcer.start()
        self._tasks = [
            asyncio.create_task(self._serve(queue), name=f"serve-{queue.name}") for queue in self._queues
        ]
        self._tidying = asyncio.create_task(self._tidy(), name="tidy")

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """What goes on from `start` to `stop`."""
        tidying = [self._tidying] if self._tidying is not None else []
        return [*self._tasks, *tidying, *self._announcer.tasks]

    async def stop(self) -> None:
        """Put running jobs back into the queue, a training at its checkpoint, and end all tasks."""
        self._stopping.set()
        self.wake()
        for task in self._running.values():
            task.cancel()
        if self._tidying is not None:
            self._tidying.cancel()  # it may be among thousands of folders; the next start begins anew
            await asyncio.wait([self._tidying])
        self._cleared.set()  # it may have been cancelled before it began
        # One that broke off by itself was told where somebody watches `tasks`; the others still end in order.
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._announcer.stop()

    def wake(self) -> None:
        """There may be a new job in the queue."""
        for queue in self._queues:
            queue.wake.set()

    async def queue_changed(self, kind: JobKind) -> None:
        """An admin paused, opened or reordered a queue: what waits in it says so, and may be next."""
        self.wake()
        for job in await self._jobs.queued(kind):
            self._announcer.changed(job.id)

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
            await self._end(job_id, waited=True)
        return True

    def job_changed(self, job_id: int) -> None:
        """Something about a job should be shown as it is now."""
        self._announcer.changed(job_id)

    async def settled(self, job_id: int) -> None:
        """Wait until nothing works on a job any more, and its files are whoever's who asks."""
        async with self._settled:
            await self._settled.wait_for(lambda: job_id not in self._running)

    async def _serve(self, queue: _Queue) -> None:
        await self._cleared.wait()
        carried: set[asyncio.Task[None]] = set()
        while not self._stopping.is_set():
            queue.wake.clear()
            try:
                job = await self._next(queue)
            except Exception:  # the queue outlives every error, or nobody would be served any more
                logger.exception("the %s queue could not be served", queue.name)
                await self._pause(_PAUSE_SECONDS)
                continue
            if job is None:
                await queue.wake.wait()
            elif not self._stopping.is_set():
                # Known before anything is awaited, so that a stop or a cancel finds it.
                queue.served[job.id] = _Served(job.user_id, queue.needs(job))
                self._running[job.id] = asyncio.create_task(self._run(job.id), name=f"job-{job.id}")
                task = asyncio.create_task(self._conclude(queue, job.id), name=f"conclude-{job.id}")
                carried.add(task)
                task.add_done_callback(carried.discard)
        await asyncio.gather(*carried)

    async def _next(self, queue: _Queue) -> Job | None:
        """The job that a queue may serve now. Whatever else holds work back is asked here."""
        if queue.free <= 0:
            return None
        job = await self._jobs.next_fair(
            queue.kind, queue.lane, besides=queue.served.keys(), not_of=queue.sated()
        )
        return job if job is not None and queue.fits(job) else None

    async def _tidy(self) -> None:
        try:
            await self._housekeeping.clear()
        except Exception:  # what lies in the way of one job must not hold up all
            logger.exception("pictures that belong to nobody could not be removed")
        finally:
            self._cleared.set()
        while not self._stopping.is_set():
            await self._housekeeping.sweep()
            await self._pause(_TIDY_SECONDS)

    async def _conclude(self, queue: _Queue, job_id: int) -> None:
        """Wait for a job and give it its end, however long the database has to be asked to write it."""
        task = self._running[job_id]
        await asyncio.wait([task])
        while not await self._concluded(job_id, task) and not self._stopping.is_set():
            await self._pause(_PAUSE_SECONDS)
        del self._running[job_id]
        del queue.served[job_id]
        self.wake()  # the place is free, and the job may go on in another lane
        async with self._settled:
            self._settled.notify_all()

    async def _run(self, job_id: int) -> None:
        job = await until_written(lambda: self._jobs.start(job_id))
        if job is None:  # cancelled since it was chosen
            return
        self._announcer.changed(job_id)
        await self._show_queue(job)
        await self._work.run(job)

    async def _concluded(self, job_id: int, task: asyncio.Task[None]) -> bool:
        """Give a job whose task ended its state. False when the database can't be written now."""
        error = None if task.cancelled() else task.exception()
        try:
            if task.cancelled():  # by `stop`; after `cancel` it is no longer running
                await self._jobs.requeue(job_id, lost=False)
            elif error is not None:
                logger.error("job %d broke off", job_id, exc_info=error)
                message = "Something went wrong that is described in the bot's log."
                await self._jobs.fail(job_id, "internal", message)
            await self._end(job_id)
        except Exception:
            logger.exception("job %d can't be concluded", job_id)
            return False
        return True

    async def _end(self, job_id: int, *, waited: bool = False) -> None:
        """Tidy up after a job, if it ended, and tell. `waited` is whether it left the queue by that."""
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
        if waited or not job.state.ended:
            await self._show_queue(job)

    async def _show_queue(self, moved: Job) -> None:
        """Who waits has a new place. Far from the front only every tenth is told.

        Discord takes about one edit a second, and with hundreds of cards results would have to wait for it.
        """
        for place, job in enumerate(await self._jobs.queued(moved.kind, moved.lane), 1):
            if place <= _NEAR or place % 10 == 0:
                self._announcer.changed(job.id)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass
