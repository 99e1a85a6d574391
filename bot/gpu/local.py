"""GPU work as processes of this machine."""

from __future__ import annotations

import asyncio
import logging
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from bot.gpu.hearing import PATIENCE, Patience, hear
from bot.gpu.processes import outcome, spawn, stop
from bot.gpu.server import InferenceServer
from bot.gpu.standby import Standby
from data.errors import is_disk_full
from inference.requests import DrawEvent, DrawRequest, Ready
from trainer.events import Cancelled, Done, Failed, TrainEvent, parse_event

logger = logging.getLogger(__name__)


class LocalGpu:
    """One process for each training, one inference server for all drawings (implements `Gpu`).

    `logs` is the folder of the server's log; a trainer logs into its job's folder. `grace` is how many
    seconds a trainer has for its last checkpoint before it is killed. `standby` is the base that the next
    trainer already waits with, once there was a `prepare`; None starts each trainer when its job comes.
    `cache_gib` is the server's, see there. `patience` is what is had with processes that hang.
    """

    def __init__(
        self,
        logs: Path,
        grace: float = 60,
        standby: str | None = None,
        cache_gib: float | None = None,
        patience: Patience = PATIENCE,
    ) -> None:
        self._grace = grace
        self._patience = patience
        self._server = InferenceServer(logs / "inference.log", patience, cache_gib)
        self._standby = None if standby is None else Standby(standby, logs / "standby.log", patience)

    async def train(self, job: Path) -> AsyncGenerator[TrainEvent, None]:
        """See `Gpu.train`. A trainer that dies without a final event: `Failed`, code `trainer_lost`."""
        try:
            process = await self._trainer(job)
        except OSError as error:
            logger.exception("no trainer could be started for %s", job)
            code = "disk_full" if is_disk_full(error) else "trainer_lost"
            yield Failed(code=code, message=f"The training process can't be started: {error.strerror}.")
            return
        try:
            async with aclosing(hear(process, parse_event, self._patience)) as events:
                async for event in events:
                    yield event
                    if isinstance(event, Done | Failed | Cancelled):
                        return
            yield Failed(code="trainer_lost", message=f"The training process {outcome(process)}.")
        finally:
            await stop(process, self._grace)
            await self.prepare()

    def draw(self, request: DrawRequest) -> AsyncGenerator[DrawEvent, None]:
        """See `Gpu.draw`. A server that dies: `DrawFailed`, code `server_lost`; the next call restarts it."""
        return self._server.draw(request)

    @property
    def batch(self) -> int:
        """See `Gpu.batch`. 0 until the server has been up once."""
        return self._server.batch

    async def prepare(self) -> None:
        """See `Gpu.prepare`."""
        self._server.open()
        if self._standby is not None:
            await self._standby.refill()

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """See `Gpu.tasks`."""
        return [*self._server.tasks, *(self._standby.tasks if self._standby is not None else ())]

    async def device(self) -> Ready:
        """See `Gpu.device`. Raises ServerLost, an OSError, when no server comes up."""
        return await self._server.ready()

    async def close(self) -> None:
        """Stop the server and who waits; a training ends when its generator is closed."""
        if self._standby is not None:
            await self._standby.close()
        await self._server.close()

    async def _trainer(self, job: Path) -> Process:
        """A process that works on a job. Raises OSError."""
        ready = await self._standby.take(job) if self._standby is not None else None
        return ready or await spawn("trainer", str(job), "--supervised", log=job / "trainer.log")
