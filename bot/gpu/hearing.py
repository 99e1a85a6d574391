"""What child processes say, read so that one which hangs is noticed and ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from bot.gpu.processes import stop
from data.pipes import HEARTBEAT, HEARTBEAT_SECONDS

logger = logging.getLogger(__name__)

Said = TypeVar("Said")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a child may hang before it is ended.

    Heartbeats come from a thread of their own, so they are missed only where the whole process stands still:
    stopped, or held by one call that lets no other thread run. Importing torch from a cold disk is such a
    call, of a minute at worst. While heartbeats come the work may still stand, but so it does while a model
    is fetched from the Hub or compiled: that takes long, and is only given up after far longer.
    """

    silence: float = 120
    """Seconds without a line."""
    beats: int = round(3600 / HEARTBEAT_SECONDS)
    """Heartbeats in a row with nothing else: counted, not timed, for it is the child's time that matters."""


PATIENCE = Patience()


async def hear(
    process: Process,
    parse: Callable[[bytes], Said],
    patience: Patience = PATIENCE,
    busy: Callable[[], bool] = lambda: True,
) -> AsyncGenerator[Said, None]:
    """All that a child says, as `parse` reads it (raising ValidationError for what is nothing).

    The child is gone when this ends by itself; one that hangs was ended. `busy` tells whether it has anything
    to do: if not, heartbeats are enough.
    """
    beats = 0
    try:
        async for line in _lines(process, patience.silence):
            if line == HEARTBEAT:
                beats = beats + 1 if busy() else 0
                if beats > patience.beats:
                    raise TimeoutError
                continue
            beats = 0
            try:
                said = parse(line)
            except ValidationError:  # its words are not repeated: it may know secrets
                logger.warning("process %d said something that is no event", process.pid)
            else:
                yield said
        async with asyncio.timeout(patience.silence):
            await process.wait()
    except TimeoutError:
        logger.error("process %d hangs and is ended", process.pid)
        await stop(process, grace=0)


async def _lines(process: Process, silence: float) -> AsyncGenerator[bytes, None]:
    """Whole lines, without those that are too long. Raises TimeoutError when none comes."""
    assert process.stdout is not None
    too_long = False
    while True:
        try:
            line = await _line(process.stdout, silence)
        except asyncio.IncompleteReadError:
            return
        except asyncio.LimitOverrunError as overrun:
            await process.stdout.readexactly(overrun.consumed)
            too_long = True
            continue
        if too_long:  # this was its end
            logger.warning("process %d said a line that is too long", process.pid)
        else:
            yield line
        too_long = False


async def _line(stream: asyncio.StreamReader, silence: float) -> bytes:
    # In two halves: after a pause of our own the first ends at once, although lines are there to be read.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(silence / 2):
            return await stream.readuntil()
    async with asyncio.timeout(silence / 2):
        return await stream.readuntil()
