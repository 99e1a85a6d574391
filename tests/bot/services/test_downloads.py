"""What a person takes along: everything, in parts that fit, packed on disk and gone afterwards."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
import zipfile
from pathlib import Path

from pydantic import SecretStr

from bot.services.downloads import Downloads
from data.jobs import Job, JobKind
from data.secrets import Vault, read_keys
from tests.bot.services.house import ANN, BOB, GUILD, House, refused

LIMIT = 10 * 2**20


async def drawing(house: House, sizes: list[int], prompt: str = "a secret wish") -> Job:
    """A finished drawing, its pictures files of some sizes in bytes."""
    job = await house.jobs.create(
        JobKind.draw,
        payload=json.dumps({"prompt": prompt}),
        user_id=ANN,
        guild_id=GUILD,
        channel_id=8,
        locale="en",
    )
    await house.jobs.start(job.id)
    await house.jobs.finish(job.id)
    folder = house.files.pictures(job.id)
    folder.mkdir()
    for idx, size in enumerate(sizes):
        path = folder / f"{idx}.png"
        path.write_bytes(bytes(size))
        await house.pictures.add(job_id=job.id, idx=idx, path=path, prompt=prompt, seed=1, width=1, height=1)
    return job


def downloads(house: House) -> Downloads:
    return Downloads(house.db, house.files)


def left(house: House) -> list[Path]:
    return list((house.files.home / "outgoing").iterdir())


async def test_it_holds_rows_pictures_and_photos_but_no_secrets(house: House) -> None:
    job, waiting = await drawing(house, [100]), await house.accept(user=ANN)
    vault = Vault(house.db, read_keys(None, house.files.secret_key))
    await vault.put("user", ANN, "hub", SecretStr("hf_x"))
    async with downloads(house).open(ANN, LIMIT) as download:
        async for part in download.parts():
            assert part.name == "likeness.zip"
            with zipfile.ZipFile(part) as archive:
                names = archive.namelist()
                rows = json.loads(archive.read("data.json"))
    assert f"pictures/{job.id}/0.png" in names
    assert len([name for name in names if name.startswith(f"jobs/{waiting.id}/photos/")]) == 3
    assert "a secret wish" in rows["jobs"][0]["payload"] and rows["pictures"][0]["job_id"] == job.id
    assert "sealed" not in rows["secrets"][0]
    assert left(house) == []


async def test_parts_fit_and_one_lies_on_disk_at_a_time(house: House) -> None:
    await drawing(house, [60_000] * 4 + [500_000])
    limit = 64 * 1024 + 70_000
    async with downloads(house).open(ANN, limit, most=3) as download:
        seen = []
        async for part in download.parts():
            assert part.stat().st_size <= limit
            seen.append(part.name)
            (folder,) = left(house)
            assert [file for file in folder.iterdir() if file.suffix == ".zip"] == [part]
    assert seen == ["likeness-1.zip", "likeness-2.zip", "likeness-3.zip"]
    assert download.left_out == 2, "the picture that is too big, and the one that is too many"


async def test_rows_without_end_are_split_into_files(house: House) -> None:
    for _ in range(3):
        await drawing(house, [], prompt="x" * 2_000_000)
    async with downloads(house).open(ANN, LIMIT) as download:
        async for part in download.parts():
            with zipfile.ZipFile(part) as archive:
                rows = [json.loads(archive.read(name)) for name in ("data.json", "data-2.json")]
    assert [len(some["jobs"]) for some in rows] == [2, 1]


async def test_the_memory_it_takes_does_not_grow_with_the_pictures(house: House) -> None:
    await drawing(house, [9 * 2**20] * 4)
    tracemalloc.start()
    try:
        async with downloads(house).open(ANN, LIMIT) as download:
            async for part in download.parts():
                assert part.stat().st_size > 9 * 2**20
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


async def test_a_person_has_one_at_a_time_and_three_people_wait_for_each_other(house: House) -> None:
    all_downloads = downloads(house)
    got: list[int] = []

    async def take(user: int) -> None:
        async with all_downloads.open(user, LIMIT):
            got.append(user)

    async with all_downloads.open(ANN, LIMIT), all_downloads.open(BOB, LIMIT):
        assert await refused(take(ANN)) == "download_runs"
        third = asyncio.create_task(take(3))
        done, _ = await asyncio.wait([third], timeout=0)
        assert not done and len(left(house)) == 2
    await third
    await take(ANN)
    assert got == [3, ANN] and left(house) == []


async def test_what_a_crash_leaves_is_swept_at_the_start(house: House) -> None:
    (house.files.incoming_download() / "likeness.zip").write_bytes(b"half")
    house.files.sweep()
    assert left(house) == []
