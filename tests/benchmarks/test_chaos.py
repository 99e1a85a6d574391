"""What the chaos benchmark calls a loss, and its short form: two kills of real processes."""

from __future__ import annotations

import argparse
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from benchmarks.chaos import measure
from benchmarks.chaos_ledger import Ledger
from data.database import Database
from data.files import FileStore
from tests.bot.services.house import House
from tests.fakes import paint


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[House, None]:
    files = FileStore(tmp_path / "home")
    house = House(await Database.open(files.database), files)
    yield house
    await house.db.close()


@pytest.fixture
async def ledger(house: House) -> Ledger:
    """Of a home in which one drawing waits and one is done."""
    await house.imagine("a dog")
    job = await house.imagine("a cat")
    await house.jobs.start(job.id)
    folder = house.files.pictures(job.id)
    folder.mkdir()
    paint(folder / "0.png", 1)
    await house.pictures.add(
        job_id=job.id, idx=0, path=folder / "0.png", prompt="a cat", seed=1, width=96, height=96
    )
    await house.jobs.finish(job.id)
    await house.jobs.mark_announced(job.id)
    return Ledger(house.files)


async def test_a_home_in_order_has_no_breach(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.look()
    ledger.look_for_leftovers()
    assert ledger.breaches == []
    assert [(entry.wish, entry.open) for entry in ledger.jobs.values()] == [("a dog", True), ("a cat", False)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DELETE FROM jobs WHERE id = 1", "job 1 is lost"),
        ("UPDATE jobs SET state = 'failed' WHERE id = 2", "job 2 ended twice"),
        ("INSERT INTO jobs (kind, user_id, guild_id, channel_id, payload, created_at)"
         " SELECT kind, user_id, guild_id, channel_id, payload, 0 FROM jobs WHERE id = 1",
         "'a dog' was asked"),
    ],
)  # fmt: skip
async def test_a_lost_or_doubled_job_is_found(house: House, ledger: Ledger, change: str, said: str) -> None:
    ledger.look()
    async with house.db.transaction() as tx:
        await tx.execute(change)
    ledger.look()
    assert len(ledger.breaches) == 1 and said in ledger.breaches[0]


async def test_a_picture_that_is_promised_and_not_whole_is_found(house: House, ledger: Ledger) -> None:
    picture = house.files.pictures(2) / "0.png"
    picture.write_bytes(picture.read_bytes()[:100])
    ledger.look()
    assert ledger.breaches == ["pictures/2/0.png can't be opened"]


@pytest.mark.parametrize(
    "left", ["models/7", "drafts/7", "jobs/7", "pictures/1", "pictures/2/1.png.incoming"]
)
async def test_what_belongs_to_nobody_is_found(house: House, ledger: Ledger, left: str) -> None:
    (house.files.home / left).mkdir()
    ledger.look_for_leftovers()
    assert len(ledger.breaches) == 1


@pytest.mark.timeout(600)
def test_two_kills_lose_double_and_leave_nothing(tmp_path: Path) -> None:
    asked = argparse.Namespace(
        room=tmp_path, kills=2, seed=2, pause=1.0, patience=300.0, steps=1, trainings=0.0
    )
    rows = {row.what: row.value for row in measure(asked)}
    assert sum(count for what, count in rows.items() if what.startswith("kills of")) == 2
    assert rows["draw jobs, done"] >= 1
