"""The child that reads a person's files, `trainer.intake`: kept within bounds, and replaced when it dies."""

from __future__ import annotations

import asyncio
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.gpu.processes import spawn, stop
from trainer.intake import Ask, Found

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What reading one set of files may take. CPU seconds: nobody's photos are refused by a busy machine."""

    file_seconds: int = 8
    set_seconds: int = 60
    patience: float = 60
    """Seconds by the clock for one file."""
    memory: int = 3 * 2**29
    """Bytes of addresses that the process may have."""


async def read_photos(
    files: Sequence[Path], *, size: int, class_name: str, bounds: Bounds, log: Path
) -> list[Found]:
    """What each file shows; a bad one harms no other. Raises OSError when no process can be started.

    No process is left when this ends, also by cancellation.
    """
    left: float = bounds.set_seconds
    found: list[Found] = []
    reader = _Reader(bounds, log)
    try:
        for place, file in enumerate(files, 1):
            # Each that comes later keeps a second: slow files must not use up the time of a good one.
            spare = int(left) - (len(files) - place)
            seconds = max(1, min(bounds.file_seconds, spare))
            ask = Ask(file=file, size=size, class_name=class_name, seconds=seconds)
            found.append(await reader.look(ask))
            left -= found[-1].seconds
    finally:
        await reader.close()
    return found


class _Reader:
    def __init__(self, bounds: Bounds, log: Path) -> None:
        self._bounds = bounds
        self._log = log
        self._process: Process | None = None

    async def look(self, ask: Ask) -> Found:
        """What a file shows. If a reader stands still, maybe by the machine's fault, another one looks."""
        try:
            return await self._look(ask)
        except TimeoutError:
            await self.close()
        try:
            return await self._look(ask)
        except TimeoutError:
            await self.close()
            return Found(code="too_slow", seconds=ask.seconds)

    async def _look(self, ask: Ask) -> Found:
        """Raises TimeoutError."""
        if self._process is None:
            memory = str(self._bounds.memory)
            self._process = await spawn("trainer.intake", memory, log=self._log, environment=_ONE_THREAD)
        start, slow = time.monotonic(), False
        async with asyncio.timeout(self._bounds.patience):
            try:
                if line := await _answer(self._process, ask):
                    return Found.model_validate_json(line)
                slow = await self._process.wait() == -signal.SIGXCPU
            except ValueError:  # too long, or no answer: the file has taken hold of its reader
                pass
        await self.close()
        spent = min(float(ask.seconds), time.monotonic() - start)
        return Found(code="too_slow" if slow else "truncated", seconds=spent)

    async def close(self) -> None:
        if self._process is not None:
            await stop(self._process, grace=0)
            self._process = None


async def _answer(process: Process, ask: Ask) -> bytes:
    """The child's line, empty when it died."""
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(f"{ask.model_dump_json()}\n".encode())
        await process.stdin.drain()
    except ConnectionError:
        return b""
    return await process.stdout.readline()
