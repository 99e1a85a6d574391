import os
import time
from collections.abc import Awaitable, Callable

import pytest

from bot.services.housekeeping import Housekeeping
from tests.bot.services.house import GUILD, House, Recorder
from tests.fakes import ScriptedGpu

DAY = 24 * 3600


def housekeeping(house: House) -> Housekeeping:
    return Housekeeping(house.db, house.files, house.jobs, house.models, house.pictures)


@pytest.mark.parametrize("sweep", [Housekeeping.sweep, Housekeeping.sweep_ended])
async def test_a_failed_training_keeps_its_photos_for_a_week(
    house: House, sweep: Callable[[Housekeeping], Awaitable[None]]
) -> None:
    old, recent = await house.accept(), await house.accept()
    for job, days in ((old, 8), (recent, 6)):
        await house.jobs.fail(job.id, "out_of_memory", "Too little memory.")
        async with house.db.transaction() as tx:
            await tx.execute(
                "UPDATE jobs SET finished_at = ? WHERE id = ?", (time.time() - days * DAY, job.id)
            )
    await sweep(housekeeping(house))
    assert not house.files.job(old.id).exists()
    assert (house.files.job(recent.id) / "job.json").is_file()


@pytest.mark.parametrize("sweep", [Housekeeping.sweep, Housekeeping.sweep_ended])
async def test_backups_of_before_an_update_go_after_two_weeks(
    house: House, sweep: Callable[[Housekeeping], Awaitable[None]]
) -> None:
    old, recent = (house.files.home / f"likeness.sqlite3.before-000{number}" for number in (2, 3))
    for backup, days in ((old, 15), (recent, 13)):
        backup.write_bytes(b"rows")
        os.utime(backup, (time.time() - days * DAY,) * 2)
    await sweep(housekeeping(house))
    assert not old.exists() and recent.exists()


async def test_what_belongs_to_no_row_is_swept_and_the_rest_is_kept(house: House) -> None:
    waiting, model_id, drawing = await house.accept(), await house.make_model(), await house.imagine()
    strangers = [house.files.job(901), house.files.model(902), house.files.pictures(903)]
    incoming = house.files.incoming_job()
    for folder in (*strangers, house.files.pictures(drawing.id)):
        folder.mkdir()
        (folder / "file").write_bytes(b"content")
    await housekeeping(house).sweep()
    assert not any(folder.exists() for folder in (*strangers, incoming))
    kept = (house.files.job(waiting.id), house.files.model(model_id), house.files.pictures(drawing.id))
    assert all(folder.is_dir() for folder in kept)


async def test_pictures_that_were_deleted_in_the_database_go_from_the_disk(house: House) -> None:
    drawing = await house.imagine()
    folder = house.files.pictures(drawing.id)
    folder.mkdir()
    path = folder / "0.png"
    await house.pictures.add(job_id=drawing.id, idx=0, path=path, prompt="", seed=1, width=64, height=64)
    await house.jobs.start(drawing.id)
    await house.jobs.finish(drawing.id)
    await housekeeping(house).sweep()
    assert folder.is_dir()
    await house.pictures.delete_job(drawing.id)
    await housekeeping(house).sweep()
    assert not folder.exists()


async def test_photos_stay_as_long_as_the_guild_says_and_nothing_else_does(
    house: House, recorder: Recorder
) -> None:
    await house.settings.update(GUILD, photo_days=3)
    gpu = ScriptedGpu()
    gpu.preview = True
    dispatcher = house.dispatcher(gpu, recorder)
    await dispatcher.start()
    job = await house.accept()
    dispatcher.wake()
    await house.announced(job.id)
    await dispatcher.stop()

    folder = house.files.job(job.id)
    assert [entry.name for entry in folder.iterdir()] == ["photos"]
    assert (house.files.pictures(job.id) / "strip.png").is_file()
    for days, there in ((2, True), (4, False)):
        async with house.db.transaction() as tx:
            await tx.execute(
                "UPDATE jobs SET finished_at = ? WHERE id = ?", (time.time() - days * DAY, job.id)
            )
        await housekeeping(house).sweep_ended()
        assert folder.exists() is there
