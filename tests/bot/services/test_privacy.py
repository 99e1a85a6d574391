"""Everything about a person: shown, packed, erased; and that no table is forgotten."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiosqlite import Connection
from pydantic import SecretStr

from bot.services.housekeeping import Housekeeping
from bot.services.privacy import Privacy, Who
from data import database
from data.database import Unwritable
from data.jobs import Job, JobKind
from data.personal import MADE, PERSON, Personal
from data.reports import Reports
from data.secrets import Vault, read_keys
from tests.bot.services.house import ANN, BOB, GUILD, House
from tests.fakes import paint

# Columns that hold an id, but not a person's.
NOT_A_PERSON = {
    "guild_id",
    "channel_id",
    "message_id",
    "job_id",
    "model_id",
    "picture_id",
    "shared_id",
    "endpoint_id",
    "scope_id",
    "samples_channel_id",
}


class Stopper:
    """Cancels in the database alone: nothing runs in these tests."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.waited: list[int] = []
        self.halted: list[int] = []

    async def cancel(self, job_id: int) -> bool:
        return await self.house.jobs.cancel(job_id)

    async def halt(self, model_id: int) -> list[Path]:
        self.halted.append(model_id)
        return []

    async def settled(self, job_id: int) -> None:
        self.waited.append(job_id)


@pytest.fixture
def stopper(house: House) -> Stopper:
    return Stopper(house)


@pytest.fixture
def privacy(house: House, stopper: Stopper) -> Privacy:
    return Privacy(house.db, house.files, stopper, stopper.halt)


async def drawing(house: House, user: int = ANN, guild: int = GUILD, model_id: int | None = None) -> Job:
    """A finished drawing of one picture, with a card."""
    job = await house.jobs.create(
        JobKind.draw,
        payload='{"prompt": "a secret wish"}',
        user_id=user,
        guild_id=guild,
        channel_id=8,
        locale="en",
        model_id=model_id,
    )
    await house.jobs.set_message(job.id, 8, 1000 + job.id)
    await house.jobs.start(job.id)
    await house.jobs.finish(job.id)
    folder = house.files.pictures(job.id)
    folder.mkdir()
    paint(folder / "0.png", job.id)
    await house.pictures.add(
        job_id=job.id, idx=0, path=folder / "0.png", prompt="a secret wish", seed=1, width=96, height=96
    )
    return job


async def model(house: House, owner: int = ANN, guild: int = GUILD) -> int:
    job = await house.jobs.create(
        JobKind.train, payload="{}", user_id=owner, guild_id=guild, channel_id=8, locale="en"
    )
    await house.jobs.start(job.id)
    await house.jobs.finish(job.id)
    made = await house.models.create(
        owner_id=owner,
        guild_id=guild,
        name="abraza",
        class_name="person",
        base="mini",
        photos=6,
        steps=9,
        job_id=job.id,
    )
    made.path.mkdir()
    (made.path / "weights").write_bytes(b"x" * 5000)
    async with house.db.transaction() as tx:
        await house.jobs.set_model(job.id, made.id, tx)
    for end in ("", ".1"):
        (house.files.logs / f"training-{job.id}.log{end}").write_text("log")
    return made.id


async def test_every_column_with_an_id_is_known(house: House) -> None:
    """Fails for a new table whose person's column `data.personal` would not find."""
    tables = await house.db.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
    unknown = []
    for (table,) in tables:
        for column in await house.db.rows(f"PRAGMA table_info({table})"):
            name = column["name"]
            if name.endswith(("_id", "_by")) and name not in {*PERSON, *NOT_A_PERSON}:
                unknown.append(f"{table}.{name}")
            assert name != "scope_id" or table in ("secrets", "endpoints"), table
    assert unknown == []


async def test_everything_of_a_person_goes_and_nothing_of_others(
    house: House, privacy: Privacy, stopper: Stopper
) -> None:
    mine, theirs = await model(house), await model(house, BOB)
    wish, other = await drawing(house, model_id=mine), await drawing(house, BOB, model_id=mine)
    waiting = await house.imagine(user=ANN)
    with_mine = await house.jobs.create(
        JobKind.draw, payload="{}", user_id=BOB, guild_id=GUILD, channel_id=8, locale="en", model_id=mine
    )
    vault = Vault(house.db, read_keys(None, house.files.secret_key))
    await vault.put("user", ANN, "hub", SecretStr("hf_x"))
    await vault.put("guild", ANN, "hub", SecretStr("hf_y"))
    reports = Reports(house.db)
    report = await reports.add(
        job_id=wish.id, idx=0, reporter_id=BOB, guild_id=GUILD, reason="no", locale="en"
    )
    assert report is not None
    await reports.set_message(report.id, 77, 78)

    await privacy.erase_person(ANN)

    for table in [
        row["name"] for row in await house.db.rows("SELECT name FROM sqlite_master WHERE type='table'")
    ]:
        columns = [row["name"] for row in await house.db.rows(f"PRAGMA table_info({table})")]
        for column in set(columns) & set(PERSON):
            assert await house.db.rows(f"SELECT 1 FROM {table} WHERE {column} = ?", (ANN,)) == [], table
    assert await vault.get("user", ANN, "hub") is None and await vault.get("guild", ANN, "hub") is not None
    assert await house.db.rows("PRAGMA foreign_key_check") == []
    left = [house.files.pictures(wish.id), house.files.model(mine), house.files.job(waiting.id)]
    assert [path for path in left if path.exists()] == []
    assert not list(house.files.logs.glob(f"training-{mine}.log*"))
    assert {waiting.id, with_mine.id} <= set(stopper.waited)

    assert await house.models.get(theirs) is not None
    assert house.files.pictures(other.id).exists() and await house.pictures.of_job(other.id)
    kept = await house.jobs.get(other.id)
    assert kept is not None and kept.model_id is None
    removals = {tuple(row)[:2] for row in await house.db.rows("SELECT * FROM removals")}
    assert removals == {(8, 1000 + wish.id), (77, 78)}


async def test_what_is_asked_for_while_a_training_is_still_being_stopped_is_stopped_too(
    house: House, privacy: Privacy, stopper: Stopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await house.imagine(user=ANN)
    asked: list[int] = []

    async def slow(job_id: int) -> None:
        stopper.waited.append(job_id)
        if not asked:
            asked.append((await house.imagine(user=ANN)).id)

    monkeypatch.setattr(stopper, "settled", slow)
    await privacy.erase_person(ANN)
    assert stopper.waited == [first.id, *asked]


async def test_a_crash_between_rows_and_files_is_finished_at_the_next_start(
    house: House, privacy: Privacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, wish = await model(house), await drawing(house)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(privacy, "_remove_files", crash)
    with pytest.raises(KeyboardInterrupt):
        await privacy.erase_person(ANN)
    assert house.files.pictures(wish.id).exists()

    housekeeping = Housekeeping(house.db, house.files, house.jobs, house.pictures)
    await housekeeping.start()
    await housekeeping.sweep()
    assert not house.files.pictures(wish.id).exists() and not house.files.model(mine).exists()
    assert list(house.files.logs.glob("training-*")) == []


async def test_many_drawings_go_in_steps_and_a_crash_between_two_is_no_end(
    house: House, privacy: Privacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.services.privacy._AT_ONCE", 2)
    mine, theirs = await model(house), await drawing(house, BOB)
    wishes = [await drawing(house, model_id=mine) for _ in range(6)]
    remove, removed = privacy._remove_files, []

    def crash(who: Who, jobs: list[int], *others: list[int]) -> None:
        if removed:
            raise KeyboardInterrupt
        removed.extend(jobs)
        remove(who, jobs, *others)

    monkeypatch.setattr(privacy, "_remove_files", crash)
    with pytest.raises(KeyboardInterrupt):
        await privacy.erase_person(ANN)
    left = await house.db.rows("SELECT id FROM jobs WHERE user_id = ?", (ANN,))
    assert len(removed) == 2 and len(left) == 3, "others may write between two steps"
    later = await house.imagine(user=ANN)

    monkeypatch.undo()
    housekeeping = Housekeeping(house.db, house.files, house.jobs, house.pictures)
    await housekeeping.start()
    await privacy.resume()
    await housekeeping.sweep()
    assert {row["id"] for row in await house.db.rows("SELECT id FROM jobs")} == {theirs.id, later.id}
    assert await house.db.rows("PRAGMA foreign_key_check") == []
    gone = [house.files.pictures(job.id) for job in wishes] + [house.files.model(mine)]
    assert [path for path in gone if path.exists()] == []
    removals = {row["message_id"] for row in await house.db.rows("SELECT * FROM removals")}
    assert removals == {1000 + job.id for job in wishes}
    assert await house.db.rows("SELECT * FROM erasures") == [], "done is done"


async def test_a_database_that_is_held_meanwhile_breaks_no_erasing_off(
    house: House, privacy: Privacy, stopper: Stopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    await model(house)
    await house.db.connection.execute("PRAGMA busy_timeout = 10")
    monkeypatch.setattr(database, "_RETRY_SECONDS", 0.01)
    with closing(sqlite3.connect(house.files.database, check_same_thread=False)) as other:
        halt, halts = stopper.halt, []

        async def held(model_id: int) -> list[Path]:
            halts.append(model_id)
            other.execute("BEGIN IMMEDIATE") if len(halts) == 1 else other.rollback()
            return await halt(model_id)

        monkeypatch.setattr(privacy, "_halt", held)
        await privacy.erase_person(ANN)
    assert len(halts) == 2 and await house.db.rows("SELECT * FROM jobs") == []
    assert await house.db.rows("SELECT * FROM erasures") == [], "or a later start erases what comes now"


def breaks(*_: object, **__: object) -> None:
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize("broken", [(Path, "rename"), (shutil, "rmtree")], ids=["rename", "rmtree"])
async def test_files_that_cannot_be_removed_hold_up_no_erasing_and_go_while_the_bot_runs(
    house: House, privacy: Privacy, monkeypatch: pytest.MonkeyPatch, broken: tuple[object, str]
) -> None:
    monkeypatch.setattr("bot.services.privacy._AT_ONCE", 1)
    wishes = [await drawing(house) for _ in range(3)]
    mine = await model(house)

    with monkeypatch.context() as failing:
        failing.setattr(*broken, breaks)
        assert not await privacy.erase_person(ANN)
        assert await privacy.erase_person(BOB), "nobody is told of other people's files"
        assert not await privacy.erase_person(ANN), "they are still there"
    for table in ("jobs", "erasures"):
        assert await house.db.rows(f"SELECT * FROM {table}") == []
    folders = (house.files.all_pictures, house.files.models)
    assert sum(len([*folder.iterdir()]) for folder in folders) == len(wishes) + 1
    await house.imagine(user=ANN)
    await privacy.resume()
    assert [path for folder in folders for path in folder.iterdir()] == [] and mine
    assert len(await house.db.rows("SELECT * FROM jobs")) == 1, "what came since stays"
    assert await privacy.erase_person(ANN)


async def test_an_erasing_that_broke_off_goes_on_while_the_bot_runs(
    house: House, privacy: Privacy, stopper: Stopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    await model(house)

    async def breaks(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as failing:
        failing.setattr(privacy, "_halt", breaks)
        with pytest.raises(OSError):
            await privacy.erase_person(ANN)
        await privacy.resume()
    assert len(await house.db.rows("SELECT * FROM jobs")) == 1
    await privacy.resume()
    assert await house.db.rows("SELECT * FROM jobs") == await house.db.rows("SELECT * FROM erasures") == []


async def test_an_erasing_that_goes_on_takes_nothing_that_was_made_since_it_was_asked_for(
    house: House, privacy: Privacy, stopper: Stopper
) -> None:
    old, wish = await model(house), await drawing(house)
    learning = await house.accept(user=ANN)
    vault = Vault(house.db, read_keys(None, house.files.secret_key))
    await vault.put("user", ANN, "hub", SecretStr("hf_old"))
    await Personal(house.db).begin_erasing(ANN)  # and then the bot was killed
    await house.jobs.start(learning.id)
    await house.jobs.finish(learning.id)
    late = await house.models.create(
        owner_id=ANN,
        guild_id=GUILD,
        name="abraza",
        class_name="person",
        base="mini",
        photos=6,
        steps=9,
        job_id=learning.id,
    )
    late.path.mkdir()
    new, drawn, waiting = await model(house), await drawing(house), await house.imagine(user=ANN)
    draft = await house.drafted(ANN)
    await vault.put("user", ANN, "publish", SecretStr("hf_new"))

    await privacy.resume()

    assert await house.db.rows("SELECT * FROM erasures") == []
    assert [row["id"] for row in await house.db.rows("SELECT id FROM models")] == [new]
    assert [path.name for path in house.files.models.iterdir()] == [str(new)]
    assert house.files.pictures(drawn.id).exists() and not house.files.pictures(wish.id).exists()
    assert (await house.job(waiting.id)).state == "queued" and house.files.draft(draft.id).exists()
    assert stopper.halted == [old, late.id]
    assert await vault.get("user", ANN, "hub") is None
    assert await vault.get("user", ANN, "publish") is not None


async def test_rows_of_persons_say_when_they_came_to_be(house: House) -> None:
    """Fails for a new table of which an erasing that goes on would take what was made since."""
    timeless = [
        table.name for table in await Personal(house.db).tables("user") if not set(MADE) & set(table.columns)
    ]
    assert sorted(timeless) == ["erasures", "searches", "votes"]


async def test_one_erasing_that_fails_holds_up_no_other(
    house: House, privacy: Privacy, stopper: Stopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in (ANN, BOB):
        await model(house, user)
        await Personal(house.db).begin_erasing(user)

    async def breaks(model_id: int) -> list[Path]:
        if not stopper.halted:
            stopper.halted.append(model_id)
            raise RuntimeError("a defect")
        return []

    monkeypatch.setattr(privacy, "_halt", breaks)
    await privacy.resume()
    assert [row["owner_id"] for row in await house.db.rows("SELECT owner_id FROM models")] == [ANN]
    assert [row["user_id"] for row in await house.db.rows("SELECT user_id FROM erasures")] == [ANN]


async def test_no_model_is_left_where_an_erasing_in_steps_is_held_up_between_two(
    house: House, privacy: Privacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.services.privacy._AT_ONCE", 1)
    monkeypatch.setattr(database, "_RETRY_SECONDS", 0.01)
    mine = await model(house)
    await drawing(house)
    erase, held = privacy._personal.erase_jobs, []

    async def hold(jobs: list[int], tx: Connection) -> list[tuple[int, int]]:
        held.append(jobs)
        if len(held) == 2:
            raise Unwritable("database_busy", "The database can't be written now.")
        return await erase(jobs, tx)

    monkeypatch.setattr(privacy._personal, "erase_jobs", hold)
    await privacy.erase_person(ANN)
    assert len(held) >= 2 and await house.db.rows("SELECT * FROM models") == []
    assert not house.files.model(mine).exists()


async def test_the_summary_counts_and_measures(house: House, privacy: Privacy) -> None:
    await model(house)
    await drawing(house)
    await house.accept(user=ANN)
    await drawing(house, BOB)

    summary = await privacy.summary(ANN)

    assert (summary.models.count, summary.models.size) == (1, 5000)
    assert (summary.pictures.count, summary.jobs.count, summary.photos.count) == (1, 3, 1)
    assert summary.photos.size > 1000 and summary.others == {}


async def test_photos_go_and_trainings_that_need_them_stop(house: House, privacy: Privacy) -> None:
    waiting = await house.accept(user=ANN)
    assert await privacy.erase_photos(ANN) == (1, True)
    assert not house.files.job(waiting.id).exists()
    job = await house.jobs.get(waiting.id)
    assert job is not None and job.state == "cancelled"


async def left(house: House) -> None:
    """The bot was removed from the server."""
    async with house.db.transaction() as tx:
        await tx.execute("INSERT INTO departures VALUES (?, ?)", (GUILD, time.time()))


async def came_back(house: House) -> None:
    async with house.db.transaction() as tx:
        await tx.execute("DELETE FROM departures")


async def test_a_guild_that_came_back_keeps_what_was_not_erased_before(
    house: House, privacy: Privacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.services.privacy._AT_ONCE", 1)
    await drawing(house)
    later = await drawing(house)
    await left(house)
    remove_files = privacy._remove_files

    def crash(*erased: Any) -> None:
        remove_files(*erased)
        raise KeyboardInterrupt

    with monkeypatch.context() as failing:
        failing.setattr(privacy, "_remove_files", crash)
        with pytest.raises(KeyboardInterrupt):
            await privacy.erase_guild(GUILD)
    await came_back(house)
    await privacy.resume()
    assert not await privacy.erase_guild(GUILD)
    assert [row["id"] for row in await house.db.rows("SELECT id FROM jobs")] == [later.id]
    assert house.files.pictures(later.id).exists()


async def test_a_guild_that_comes_back_while_its_trainings_stop_is_not_erased(
    house: House, privacy: Privacy, stopper: Stopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, waiting = await model(house), await house.imagine(user=ANN)
    await house.settings.update(GUILD, max_steps=5)
    await left(house)

    async def slow(job_id: int) -> None:
        await came_back(house)

    monkeypatch.setattr(stopper, "settled", slow)
    assert not await privacy.erase_guild(GUILD)
    assert house.files.model(mine).exists()
    assert (await house.settings.get(GUILD)).max_steps == 5 and await house.jobs.get(waiting.id)


@pytest.mark.parametrize("broken", [(Path, "rename"), (shutil, "rmtree")], ids=["rename", "rmtree"])
async def test_photos_that_cannot_be_removed_hold_up_no_others_and_are_not_said_to_be_gone(
    house: House, privacy: Privacy, monkeypatch: pytest.MonkeyPatch, broken: tuple[object, str]
) -> None:
    trainings = [await house.accept(user=ANN) for _ in range(2)]
    draft = await house.drafted(ANN)
    with monkeypatch.context() as failing:
        failing.setattr(*broken, breaks)
        assert await privacy.erase_photos(ANN) == (2, False)
        assert not (await privacy.erase_photos(ANN))[1]
    assert [(await house.job(job.id)).state for job in trainings] == 2 * ["cancelled"]
    await privacy.resume()
    assert [*house.files.jobs.iterdir(), *house.files.drafts.iterdir()] == [] and draft
    assert await privacy.erase_photos(ANN) == (0, True)


async def test_a_guild_is_forgotten_with_everything(house: House, privacy: Privacy, tmp_path: Path) -> None:
    here, elsewhere = await model(house), await model(house, guild=GUILD + 1)
    await house.settings.update(GUILD, max_steps=5)
    await left(house)
    assert await privacy.erase_guild(GUILD)
    assert await house.models.get(here) is None and await house.models.get(elsewhere) is not None
    assert (await house.settings.get(GUILD)).max_steps == 4000
    assert await house.db.rows("SELECT * FROM departures") == []


async def test_a_model_that_is_finished_while_exports_stop_goes_with_its_folder(
    house: House, privacy: Privacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    await model(house)
    halted: list[int] = []

    async def halt(model_id: int) -> list[Path]:
        if not halted:
            await model(house)
        halted.append(model_id)
        return []

    monkeypatch.setattr(privacy, "_halt", halt)
    assert await privacy.erase_person(ANN)
    assert await house.db.rows("SELECT id FROM models") == []
    assert list(house.files.models.iterdir()) == []


async def test_a_training_that_is_started_at_the_last_moment_goes_with_its_photos(
    house: House, privacy: Privacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft, ids = await house.drafted(ANN), privacy._ids
    started: list[Job] = []

    async def then_start(which: str, *values: float, **within: Any) -> list[int]:
        found = await ids(which, *values, **within)
        if which.startswith("jobs WHERE user_id") and not started:
            started.append(await house.training(max_jobs=100).start(draft.id, ANN))
        return found

    monkeypatch.setattr(privacy, "_ids", then_start)
    assert await privacy.erase_person(ANN)
    assert started and await house.jobs.get(started[0].id) is None
    assert list(house.files.jobs.iterdir()) == []
