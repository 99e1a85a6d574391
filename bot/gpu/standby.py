"""One trainer that waits for its job with everything loaded, so that a person doesn't."""

from __future__ import annotations

import asyncio
import logging
import os
from asyncio.subprocess import Process
from pathlib import Path

from bot.gpu.hearing import Patience, hear
from bot.gpu.processes import spawn, stop
from trainer.events import parse_event

logger = logging.getLogger(__name__)


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA GPU, as far as can be seen without PyTorch."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


class Standby:
    """Starts a trainer ahead of its job. One that died or hung is never given away."""

    def __init__(self, base: str, log: Path, patience: Patience) -> None:
        self._base = base
        self._log = log
        self._patience = patience
        self._changing = asyncio.Lock()
        """One starts, is taken or is closed at a time: none is started twice, or after the end."""
        self._process: Process | None = None
        self._listener: asyncio.Task[None] | None = None
        self._listeners: asyncio.Queue[asyncio.Task[None]] = asyncio.Queue()
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """What goes on from the first `refill` to `close`."""
        return [self._keeper] if self._keeper is not None else []

    async def refill(self) -> None:
        """See that one is waiting, or on its way to."""
        async with self._changing:
            if self._closed or (self._process is not None and self._process.returncode is None):
                return
            if self._keeper is None:
                self._keeper = asyncio.create_task(self._keep(), name="standby")
            try:
                self._process = await spawn("trainer", "--standby", self._base, log=self._log)
            except OSError:
                logger.exception("no trainer could be started ahead")
            else:
                self._listener = asyncio.create_task(self._listen(self._process), name="standby-trainer")
                self._listeners.put_nowait(self._listener)

    async def take(self, job: Path) -> Process | None:
        """The waiting trainer, sent to a job's folder; None when nobody waits.

        One that is still getting ready reads this later, and is then no slower than a new one.
        """
        async with self._changing:
            process = await self._let_go()
        if process is None or process.returncode is not None or process.stdin is None:
            return None
        process.stdin.write(os.fsencode(job) + b"\n")
        return process

    async def close(self) -> None:
        """Let nobody wait any more."""
        async with self._changing:
            self._closed = True
            process = await self._let_go()
            if process is not None:
                await stop(process, 0)
            if self._keeper is not None:
                self._keeper.cancel()
                await asyncio.wait([self._keeper])

    async def _let_go(self) -> Process | None:
        process, self._process = self._process, None
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait([self._listener])
        return process

    async def _keep(self) -> None:
        """See listeners to their end, and break where one does."""
        while True:
            listener = await self._listeners.get()
            await asyncio.wait([listener])
            if not listener.cancelled():
                listener.result()

    async def _listen(self, process: Process) -> None:
        """While it waits it has nothing to do, but must show that it lives."""
        async for _ in hear(process, parse_event, self._patience, busy=lambda: False):
            pass
