"""The logs of child processes, kept at a bounded size while these go on writing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from data.disk import shorten
from data.files import FileStore

logger = logging.getLogger(__name__)

LOG_BYTES = 5 * 2**20
"""The most that a log holds; as much of what went before lies beside it."""
_ROUND_SECONDS = 60.0


async def keep_bounded(files: FileStore) -> None:
    """Look at all logs again and again."""
    while True:
        await asyncio.to_thread(shorten_logs, files)
        await asyncio.sleep(_ROUND_SECONDS)


def shorten_logs(files: FileStore) -> None:
    """Blocking. The bot's own log is not among them: its writer bounds it."""
    for log in _logs(files):
        try:
            shorten(log, LOG_BYTES)
        except FileNotFoundError:
            continue  # its job ended meanwhile
        except OSError as error:  # a disk that is full now need not be so for ever
            logger.warning("%s could not be shortened: %s", log, error)


def _logs(files: FileStore) -> Iterator[Path]:
    for folder in (files.logs, *files.jobs.iterdir(), *files.handovers.iterdir()):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # its job ended meanwhile
            yield from (log for log in folder.glob("*.log") if log.name != "bot.log")
