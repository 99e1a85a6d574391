"""How long drawn pictures are kept, and how many of each person: as the server's admins say."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bot.services.imagining import MEMBER
from bot.services.retention import Retention
from data.jobs import Job
from data.pictures import Pictures
from data.reports import Reports
from tests.bot.services.house import ANN, BOB, GUILD, House, Recorder, refused, serving
from tests.fakes import ScriptedGpu

DAY = 24 * 3600.0


def retention(house: House) -> Retention:
    return Retention(house.files, house.pictures, house.settings)


async def drawn(house: House, days_ago: float, user: int = ANN, count: int = 2) -> Job:
    """A finished drawing of some days ago."""
    job = await house.imagine(user=user, count=count)
    folder = house.files.pictures(job.id)
    folder.mkdir()
    for idx in range(count):
        path = folder / f"{idx}.png"
        path.write_bytes(b"a picture")
        await house.pictures.add(job_id=job.id, idx=idx, path=path, prompt="", seed=1, width=64, height=64)
    await house.jobs.start(job.id)
    await house.jobs.finish(job.id)
    await house.jobs.mark_announced(job.id)
    async with house.db.transaction() as tx:
        made = time.time() - days_ago * DAY
        await tx.execute("UPDATE pictures SET created_at = ? WHERE job_id = ?", (made, job.id))
    return job


async def share(house: House, job: Job, index: int) -> None:
    await house.gallery().share(job.id, index, job.user_id, MEMBER, age_restricted=False)


def on_disk(house: House, *jobs: Job) -> list[str]:
    folders: list[Path] = [house.files.pictures(job.id) for job in jobs]
    return [
        f"{job.id}/{path.name}"
        for job, folder in zip(jobs, folders, strict=True)
        for path in sorted(folder.glob("*"))
    ]


async def test_pictures_that_nobody_was_shown_yet_stay_for_a_day(house: House) -> None:
    jobs = [await drawn(house, days_ago=0, count=4) for _ in range(4)]
    await house.settings.update(GUILD, most_pictures=10)
    async with house.db.transaction() as tx:
        await tx.execute("UPDATE jobs SET announced = 0")
    await retention(house).make_room(ANN, GUILD)
    assert len(on_disk(house, *jobs)) == 16
    async with house.db.transaction() as tx:
        await tx.execute("UPDATE jobs SET finished_at = finished_at - ?", (2 * DAY,))
    await retention(house).make_room(ANN, GUILD)
    assert len(on_disk(house, *jobs)) == 10


async def test_a_picture_that_cannot_be_removed_yet_holds_up_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [await drawn(house, days_ago=9), await drawn(house, days_ago=8)]
    await house.settings.update(GUILD, picture_days=7)

    def breaks(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as failing:
        failing.setattr(Path, "rename", breaks)
        await retention(house).expire()
    assert [job for job in jobs if await house.pictures.of_job(job.id)] == []
    house.files.discard_left()
    assert [*house.files.all_pictures.iterdir()] == []


async def test_pictures_stay_for_ever_where_nothing_is_set(house: House) -> None:
    job = await drawn(house, days_ago=5000)
    await retention(house).expire()
    assert len(on_disk(house, job)) == 2 and len(await house.pictures.of_job(job.id)) == 2


async def test_old_pictures_go_and_say_so_while_recent_and_shared_ones_stay(house: House) -> None:
    old, recent, partly = [await drawn(house, days_ago=days) for days in (8, 6, 30)]
    await share(house, partly, 1)
    await house.settings.update(GUILD, picture_days=7)
    await retention(house).expire()
    assert on_disk(house, old, recent, partly) == [
        f"{recent.id}/0.png",
        f"{recent.id}/1.png",
        f"{partly.id}/1.png",
    ]
    assert not house.files.pictures(old.id).exists()
    origin = {"user_id": ANN, "guild_id": GUILD, "channel_id": 8, "locale": "en"}
    assert await refused(house.redrawing().vary(old.id, 0, **origin)) == "picture_expired"  # type: ignore[arg-type]
    assert await refused(share(house, old, 0)) == "picture_expired"
    again = await house.redrawing().again(old.id, **origin)  # type: ignore[arg-type]
    assert again.payload == await _payload_of(house, again), "what was asked for is still known"


async def _payload_of(house: House, job: Job) -> str:
    return (await house.job(job.id)).payload


async def test_what_others_wait_for_stays(house: House) -> None:
    reported, begun, sample = [await drawn(house, days_ago=30) for _ in range(3)]
    await Reports(house.db).add(
        job_id=reported.id, idx=0, reporter_id=BOB, guild_id=GUILD, reason="no", locale="en"
    )
    origin = {"user_id": BOB, "guild_id": GUILD, "channel_id": 8, "locale": "en"}
    await house.redrawing().vary(begun.id, 0, **origin)  # type: ignore[arg-type]
    async with house.db.transaction() as tx:
        await tx.execute("UPDATE jobs SET kind = 'train' WHERE id = ?", (sample.id,))
    await house.settings.update(GUILD, picture_days=7)
    await retention(house).expire()
    assert on_disk(house, reported, begun, sample) == [
        f"{reported.id}/0.png",
        f"{reported.id}/1.png",
        f"{begun.id}/0.png",
        f"{sample.id}/0.png",
        f"{sample.id}/1.png",
    ]


async def test_of_each_person_the_newest_pictures_are_kept(house: House, recorder: Recorder) -> None:
    shared, *mine = [await drawn(house, days_ago=1, count=4) for _ in range(3)]
    theirs = await drawn(house, days_ago=9, user=BOB)
    await share(house, shared, 0)
    await house.settings.update(GUILD, most_pictures=10)
    async with serving(house, ScriptedGpu(), recorder) as dispatcher:
        newest = await house.imagine(count=4)
        dispatcher.wake()
        await house.announced(newest.id)
    left = on_disk(house, shared, *mine, newest, theirs)
    assert left == [
        f"{shared.id}/0.png",
        *(f"{mine[0].id}/{index}.png" for index in (2, 3)),
        *(f"{mine[1].id}/{index}.png" for index in range(4)),
        *(f"{newest.id}/{index}.png" for index in range(4)),
        *(f"{theirs.id}/{index}.png" for index in range(2)),
    ]


async def test_files_that_a_crash_left_are_removed_the_next_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await drawn(house, days_ago=30)
    await house.settings.update(GUILD, picture_days=7)
    await house.pictures.expire([picture.id for picture in await house.pictures.of_job(job.id)])
    assert len(on_disk(house, job)) == 2
    await retention(house).expire()
    assert on_disk(house, job) == []


async def test_pieces_walk_over_everything_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.services.retention._PIECE", 2)
    seen: list[float] = []
    before = Pictures.before

    async def noting(self: Pictures, *arguments: object) -> object:
        found = await before(self, *arguments)  # type: ignore[arg-type]
        seen.extend(one.id for one in found)
        return found

    monkeypatch.setattr(Pictures, "before", noting)
    jobs = [await drawn(house, days_ago=8, count=3) for _ in range(2)]
    await share(house, jobs[0], 0)
    await house.settings.update(GUILD, picture_days=7)
    await retention(house).expire()
    assert len(seen) == len(set(seen)) == 6
    assert on_disk(house, *jobs) == [f"{jobs[0].id}/0.png"]
