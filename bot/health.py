"""A sign of life for whoever watches the bot's process, such as a container's health check."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

logger = logging.getLogger(__name__)

_BEAT_SECONDS = 10.0
_LOST_SECONDS = 60.0


async def beat(home: Path) -> None:
    """Touch a file in the home folder again and again: an event loop that hangs no longer does."""
    while True:
        try:
            await asyncio.to_thread(_file(home).touch)
        except OSError as error:  # a disk that is full now need not be so for ever
            logger.warning("no sign of life could be given: %s", error)
        await asyncio.sleep(_BEAT_SECONDS)


def healthy(home: Path) -> bool:
    """Whether a bot that works in this home folder gave a sign of life in the last minute."""
    try:
        return time.time() - _file(home).stat().st_mtime < _LOST_SECONDS
    except OSError:
        return False


def _file(home: Path) -> Path:
    return home / "heartbeat"
