"""The worst files that a person can send to `/train`: what reading them takes, and how long others wait.

The files are made here: a JPEG whose 20,000 scans each go over four megapixels, a PNG of one colour and 79
megapixels. Memory is the most that a process had which read them.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.hostile import many_pixels, many_scans
from benchmarks.report import Row
from bot.selfies import selfies
from bot.services.intake import Intake, Upload
from data.files import FileStore
from trainer.spec import MAX_PHOTOS

_SIZE = 512
_PNG_SIDE = 8888


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--files", type=int, default=MAX_PHOTOS, help="bad files that one person sends")


def measure(arguments: argparse.Namespace) -> list[Row]:
    with TemporaryDirectory() as home:
        return asyncio.run(_measure(Intake(FileStore(Path(home))), arguments.files))


async def _measure(intake: Intake, count: int) -> list[Row]:
    slow = [_upload(f"{number}.jpg", many_scans()) for number in range(count)]
    rows = [Row("six photos, nobody else", await _seconds(intake, selfies(), person=1))]
    async with _meanwhile(intake, slow, person=2), _meanwhile(intake, slow, person=3):
        rows.append(Row(f"six photos beside twice {count} slow JPEGs", await _seconds(intake, selfies(), 1)))
    for what, make in (
        (f"{count} JPEGs of 20,000 scans", many_scans),
        (f"{count} PNGs of 79 megapixels", partial(many_pixels, _PNG_SIDE)),
    ):
        async with _watched() as most:
            rows.append(Row(what, await _seconds(intake, [_upload("bad", make())] * count, person=1)))
        rows.append(Row(f"{what}: memory", max(most) / 2**20, "MiB"))
    return rows


async def _seconds(intake: Intake, files: Sequence[Upload], person: int) -> float:
    began = time.perf_counter()
    async with intake.take(files, size=_SIZE, class_name="person", user_id=person):
        return time.perf_counter() - began


@asynccontextmanager
async def _meanwhile(intake: Intake, files: Sequence[Upload], person: int) -> AsyncIterator[None]:
    """Somebody's files are being read within the block, and given up after it."""
    task = asyncio.create_task(_seconds(intake, files, person))
    try:
        await asyncio.sleep(2)  # until the first of them is being decoded
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def _watched() -> AsyncIterator[list[int]]:
    """Bytes in memory of this process's children, again and again within the block."""
    seen = [0]

    async def watch() -> None:
        while True:
            for child in psutil.Process().children():
                with suppress(psutil.Error):
                    seen.append(child.memory_info().rss)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        task.cancel()


def _upload(name: str, content: bytes) -> Upload:
    async def fetch() -> bytes:
        return content

    return Upload(name, fetch)
