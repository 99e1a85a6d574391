import os
import time

import pytest

from bot.services.housekeeping import Housekeeping
from bot.services.retention import Retention
from tests.bot.services.house import GUILD, House, Recorder, serving
from tests.fakes import ScriptedGpu

DAY = 24 * 3600


async def swept(house: House) -> None:
    """As after a start, once everything was looked at."""
    keeper = housekeeping(house)
    await keeper.start()
    await keeper.clear()
    await keeper.sweep()


def housekeeping(house: House) -> Housekeeping:
    return Housekeeping(house.db, house.files, house.jobs, house.pictures)


async def test_a_failed_training_keeps_its_photos_for_a_week(house: House) -> None:
    old, recent = await house.accept(), await house.accept()
    for job, days in ((old, 8), (recent, 6)):
        await house.jobs.fail(job.id, "out_of_memory", "Too little memory.")
        async with house.db.transaction() as tx:
            await tx.execute(
                "UPDATE jobs SET finished_at = ? WHERE id = ?", (time.time() - days * DAY, job.id)
            )
    await housekeeping(house).sweep()
    assert not house.files.job(old.id).exists()
    assert (house.files.job(recent.id) / "job.json").is_file()


async def test_backups_of_before_an_update_go_after_two_weeks(house: House) -> None:
    old, recent = (house.files.home / f"likeness.sqlite3.before-000{number}" for number in (2, 3))
    for backup, days in ((old, 15), (recent, 13)):
        backup.write_bytes(b"rows")
        os.utime(backup, (time.time() - days * DAY,) * 2)
    await housekeeping(house).sweep()
    assert not old.exists() and recent.exists()


async def test_a_step_that_fails_holds_up_no_later_one(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Retention, "expire", breaks)
    backup = house.files.home / "likeness.sqlite3.before-0002"
    backup.touch()
    os.utime(backup, (time.time() - 15 * DAY,) * 2)
    await housekeeping(house).sweep()
    assert not backup.exists()


async def test_what_belongs_to_no_row_is_swept_and_the_rest_is_kept(house: House) -> None:
    waiting, model_id, drawing = await house.accept(), await house.make_model(), await house.imagine()
    strangers = [house.files.job(901), house.files.model(902), house.files.pictures(903)]
    odd = house.files.jobs / "²"  # no number that a row can have
    odd.mkdir()
    incoming = house.files.incoming_job()
    for folder in (*strangers, house.files.pictures(drawing.id)):
        folder.mkdir()
        (folder / "file").write_bytes(b"content")
    await swept(house)
    assert not any(folder.exists() for folder in (*strangers, incoming))
    kept = [house.files.job(waiting.id), house.files.model(model_id), house.files.pictures(drawing.id), odd]
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
        await housekeeping(house).sweep()
        assert folder.exists() is there


async def test_a_start_looks_at_what_may_be_unfinished_and_leaves_the_rest_for_later(house: House) -> None:
    """Years of drawings are nothing that Discord has to wait for."""
    old, interrupted = await house.imagine(), await house.imagine()
    await house.jobs.start(interrupted.id)
    for job in (old, interrupted):
        house.files.pictures(job.id).mkdir()
        (house.files.pictures(job.id) / "0.png.incoming").write_bytes(b"half")
    await housekeeping(house).start()
    assert list(house.files.pictures(interrupted.id).iterdir()) == []
    assert (house.files.pictures(old.id) / "0.png.incoming").exists(), "nobody worked on it"


async def test_no_drawing_begins_among_the_pictures_of_a_lost_database(
    house: House, recorder: Recorder
) -> None:
    """An older database was put back: it gives numbers once more whose folders are somebody else's."""
    folder = house.files.pictures(1)
    folder.mkdir()
    (folder / "7.png").write_bytes(b"somebody's face")
    job = await house.imagine()
    async with house.db.transaction() as tx:  # as if it had not been asked for yet when the bot starts
        await tx.execute("UPDATE sqlite_sequence SET seq = 0 WHERE name = 'jobs'")
    async with serving(house, ScriptedGpu(), recorder):
        await house.announced(job.id)
    assert sorted(path.name for path in folder.iterdir()) == ["0.png", "1.png"]


async def test_logs_of_trainings_go_after_a_month(house: House) -> None:
    old, recent = await house.accept(), await house.accept()
    for job, days in ((old, 31), (recent, 29)):
        await house.jobs.fail(job.id, "out_of_memory", "Too little memory.")
        await house.jobs.mark_announced(job.id)
        async with house.db.transaction() as tx:
            await tx.execute(
                "UPDATE jobs SET finished_at = ? WHERE id = ?", (time.time() - days * DAY, job.id)
            )
        for end in ("", ".1"):
            (house.files.logs / f"training-{job.id}.log{end}").write_text("what happened")
    await housekeeping(house).sweep()
    kept = {log.name for log in house.files.logs.glob("training-*")}
    assert kept == {f"training-{recent.id}.log", f"training-{recent.id}.log.1"}


@pytest.mark.parametrize("name", ["²", "9" * 30])
async def test_names_that_only_look_like_numbers_hold_nothing_up(house: House, name: str) -> None:
    folders = [house.files.home / place / name for place in ("jobs", "drafts", "models", "pictures")]
    for folder in folders:
        folder.mkdir()
    (house.files.logs / f"training-{name}.log").touch()
    await swept(house)
    assert all(folder.is_dir() for folder in folders)
