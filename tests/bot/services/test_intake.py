"""Strangers' files are read in processes that end, and nobody waits for somebody else's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from benchmarks.hostile import many_pixels, many_scans
from bot.services.intake import Intake, Upload
from bot.services.photo_reader import Bounds
from tests.bot.services.house import ANN, BOB, WAIT_SECONDS, House, upload, uploads

pytestmark = pytest.mark.real_intake

CLEO = 3
ENDLESS = Bounds(file_seconds=3600, set_seconds=36_000, patience=3600)


async def take(intake: Intake, files: Sequence[Upload], user: int = ANN) -> tuple[int, list[tuple[str, str]]]:
    """How many crops there are, and the codes of what was refused."""
    async with intake.take(files, size=96, class_name="dog", user_id=user) as taken:
        assert len(list(taken.folder.iterdir())) == len(taken.crops)
        return len(taken.crops), [(one.code, str(one.params["name"])) for one in taken.notices]


def readers() -> list[Path]:
    """The processes of this one that read photos, as their folders in /proc."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            mine = f"\nPPid:\t{os.getpid()}\n" in (process / "status").read_text()
            if mine and b"trainer.intake" in (process / "cmdline").read_bytes():
                found.append(process)
    return found


@contextlib.asynccontextmanager
async def reading(intake: Intake, files: Sequence[Upload], user: int) -> AsyncIterator[asyncio.Task[object]]:
    """A set that is being read; it is cancelled at the end if it was not done."""
    before = len(readers())
    task: asyncio.Task[object] = asyncio.create_task(take(intake, files, user))
    async with asyncio.timeout(WAIT_SECONDS):
        while len(readers()) == before and not task.done():
            await asyncio.sleep(0.01)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_slow_files_use_up_the_time_of_their_set_but_not_that_of_a_good_one(house: House) -> None:
    intake = Intake(house.files, Bounds(file_seconds=3600, set_seconds=4))
    good, last = uploads(2)
    slow = [upload(f"slow-{number}.jpg", many_scans()) for number in range(2)]
    kept, refused = await take(intake, [good, *slow, last])
    assert kept == 2
    assert refused == [("too_slow", one.filename) for one in slow]
    assert readers() == []


async def test_a_file_that_ends_its_reader_harms_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "the-token")
    first, *others = uploads(3)
    async with reading(
        Intake(house.files, ENDLESS), [first, upload("bad.jpg", many_scans()), *others], ANN
    ) as task:
        async with asyncio.timeout(WAIT_SECONDS):
            while not list(house.files.drafts.glob("*/0-0.png")):
                await asyncio.sleep(0.01)
        (reader,) = readers()
        assert b"the-token" not in (reader / "environ").read_bytes()
        os.kill(int(reader.name), signal.SIGSEGV)
        assert await task == (3, [("truncated", "bad.jpg")])


async def test_a_file_that_needs_too_much_memory_is_refused_by_itself(house: House) -> None:
    intake = Intake(house.files, Bounds(memory=450 * 2**20))
    files = [upload("huge.png", many_pixels(7000)), *uploads(2)]
    assert await take(intake, files) == (2, [("too_large", "huge.png")])


async def test_a_set_that_is_given_up_leaves_neither_process_nor_file(house: House) -> None:
    async with reading(Intake(house.files, ENDLESS), [upload("bad.jpg", many_scans())], ANN) as task:
        assert len(readers()) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert readers() == []
        assert list(house.files.drafts.iterdir()) == []


async def test_nobody_waits_for_somebody_elses_bad_files(house: House) -> None:
    intake = Intake(house.files, ENDLESS)
    bad = [upload(f"{number}.jpg", many_scans()) for number in range(3)]
    fetched = asyncio.Event()

    async def fetch() -> bytes:
        fetched.set()
        return b""

    async with reading(intake, bad, ANN) as anns, reading(intake, bad, BOB) as bobs:
        again = asyncio.create_task(take(intake, [Upload("more.jpg", fetch)], ANN))
        assert await take(intake, uploads(3), CLEO) == (3, [])
        assert not anns.done() and not bobs.done()
        assert not fetched.is_set(), "a person's next set waits for the one before"
        anns.cancel()
        assert await again == (0, [("not_an_image", "more.jpg")])
