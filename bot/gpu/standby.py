"""One trainer that waits for its job with everything loaded, so that a person doesn't."""

from __future__ import annotations

import logging
import os
from asyncio.subprocess import Process
from pathlib import Path

from bot.gpu.processes import spawn, stop

logger = logging.getLogger(__name__)


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA GPU, as far as can be seen without PyTorch."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


class Standby:
    """Starts a trainer ahead of its job. One that died is never given away."""

    def __init__(self, base: str, log: Path) -> None:
        self._base = base
        self._log = log
        self._process: Process | None = None
        self._closed = False

    async def refill(self) -> None:
        """See that one is waiting, or on its way to."""
        if self._closed or (self._process is not None and self._process.returncode is None):
            return
        try:
            self._process = await spawn("trainer", "--standby", self._base, log=self._log)
        except OSError:
            logger.exception("no trainer could be started ahead")

    def take(self, job: Path) -> Process | None:
        """The waiting trainer, sent to a job's folder; None when nobody waits.

        One that is still getting ready reads this later, and is then no slower than a new one.
        """
        process, self._process = self._process, None
        if process is None or process.returncode is not None or process.stdin is None:
            return None
        process.stdin.write(os.fsencode(job) + b"\n")
        return process

    async def close(self) -> None:
        """Let nobody wait any more."""
        self._closed = True
        process, self._process = self._process, None
        if process is not None:
            await stop(process, 0)
