import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from data import database
from data.database import BadDatabase, Database, DatabaseTooNew, Unwritable, until_written

FIRST = "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT) STRICT;"
SECOND = (
    "ALTER TABLE things ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'; UPDATE things SET name = upper(name);"
)


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_start.sql").write_text(FIRST)
    return folder


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def backups(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*.before-*")]


async def fill(path: Path, migrations: Path) -> None:
    db = await Database.open(path, migrations)
    async with db.transaction() as tx:
        await tx.execute("INSERT INTO things (name) VALUES ('cat')")
    await db.close()


async def test_a_new_database_is_in_wal_mode_and_keeps_foreign_keys(tmp_path: Path) -> None:
    db = await Database.open(tmp_path / "db")
    for pragma, value in (("journal_mode", "wal"), ("foreign_keys", 1)):
        cursor = await db.connection.execute(f"PRAGMA {pragma}")
        row = await cursor.fetchone()
        assert row is not None and row[0] == value
    with pytest.raises(sqlite3.IntegrityError):
        async with db.transaction() as tx:
            await tx.execute(
                "INSERT INTO pictures (job_id, idx, path, prompt, seed, width, height, created_at)"
                " VALUES (99, 0, '', '', 0, 1, 1, 0)"
            )
    await db.close()
    assert backups(tmp_path) == [], "there was nothing to back up"


async def test_a_migration_changes_the_data_and_leaves_a_backup_of_before(
    tmp_path: Path, migrations: Path
) -> None:
    path = tmp_path / "db"
    await fill(path, migrations)
    (migrations / "0002_colour.sql").write_text(SECOND)
    db = await Database.open(path, migrations)
    assert [tuple(row) for row in await db.rows("SELECT name, colour FROM things")] == [("CAT", "red")]
    await db.close()
    assert query(tmp_path / "db.before-0002", "SELECT * FROM things") == [(1, "cat")]
    assert query(tmp_path / "db.before-0002", "PRAGMA user_version") == [(1,)]


async def test_erasings_that_were_open_at_an_update_are_of_before_it(tmp_path: Path) -> None:
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    for script in sorted(database._MIGRATIONS.iterdir())[:16]:
        (earlier / script.name).write_text(script.read_text())
    await (await Database.open(tmp_path / "db", earlier)).close()
    with closing(sqlite3.connect(tmp_path / "db")) as connection, connection:
        connection.execute("INSERT INTO erasures VALUES ('user', 5), ('guild', 7)")
    before = time.time()
    await (await Database.open(tmp_path / "db")).close()
    ((user, asked_at),) = query(tmp_path / "db", "SELECT user_id, asked_at FROM erasures")
    assert user == 5 and isinstance(asked_at, float) and before - 1 < asked_at <= time.time()


async def test_a_failing_migration_changes_nothing_and_can_be_tried_again(
    tmp_path: Path, migrations: Path
) -> None:
    path = tmp_path / "db"
    await fill(path, migrations)
    (migrations / "0002_colour.sql").write_text(SECOND + "INSERT INTO nowhere VALUES (1);")
    with pytest.raises(BadDatabase, match=r"db can't be brought up to date: .*nowhere"):
        await Database.open(path, migrations)
    assert query(path, "SELECT * FROM things") == [(1, "cat")]
    assert query(path, "PRAGMA user_version") == [(1,)]
    (migrations / "0002_colour.sql").write_text(SECOND)
    await (await Database.open(path, migrations)).close()
    assert query(path, "SELECT name FROM things") == [("CAT",)]


async def test_a_newer_database_is_refused_unchanged(tmp_path: Path, migrations: Path) -> None:
    path = tmp_path / "db"
    await fill(path, migrations)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")
    with pytest.raises(DatabaseTooNew, match="version 7"):
        await Database.open(path, migrations)
    assert query(path, "PRAGMA user_version") == [(7,)]


@pytest.mark.parametrize("damage", ["start", "middle", "end", "words"])
async def test_a_damaged_database_is_refused_unchanged(tmp_path: Path, migrations: Path, damage: str) -> None:
    path = tmp_path / "db"
    await fill(path, migrations)
    content = bytearray(path.read_bytes())
    if damage == "end":
        del content[-2000:]
    elif damage == "words":
        content = content.replace(b"CREATE TABLE", b"CREATE TABL\xff")
    else:
        begin = 0 if damage == "start" else 4096  # the second page holds the table
        content[begin : begin + 500] = b"x" * 500
    path.write_bytes(content)
    with pytest.raises(BadDatabase, match=r"db is damaged.*backup"):
        await Database.open(path, migrations)
    assert path.read_bytes() == content


async def test_another_programs_database_is_refused_unchanged(tmp_path: Path, migrations: Path) -> None:
    path = tmp_path / "db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (id INTEGER)")
    content = path.read_bytes()
    with pytest.raises(BadDatabase, match="another program"):
        await Database.open(path, migrations)
    assert path.read_bytes() == content
    assert not (tmp_path / "db-wal").exists()


async def test_a_database_that_can_not_be_opened_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    with pytest.raises(BadDatabase, match="can't be opened"):
        await Database.open(tmp_path / "db")


@pytest.fixture
async def things(tmp_path: Path, migrations: Path) -> AsyncIterator[Database]:
    db = await Database.open(tmp_path / "db", migrations)
    yield db
    await db.close()


async def names(db: Database) -> list[str]:
    return [row["name"] for row in await db.rows("SELECT name FROM things ORDER BY id")]


async def test_a_transaction_that_raises_leaves_nothing(things: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with things.transaction() as tx:
            await tx.execute("INSERT INTO things (name) VALUES ('half')")
            raise ZeroDivisionError
    async with things.transaction() as tx:
        await tx.execute("INSERT INTO things (name) VALUES ('whole')")
    assert await names(things) == ["whole"]


async def test_nobody_reads_what_is_not_committed(things: Database) -> None:
    async with things.transaction() as tx:
        await tx.execute("INSERT INTO things (name) VALUES ('cat')")
        assert await names(things) == []
        assert len(await things.rows("SELECT * FROM things", within=tx)) == 1
    assert await names(things) == ["cat"]


async def test_transactions_wait_for_each_other(things: Database) -> None:
    async def count_up() -> None:
        async with things.transaction() as tx:
            (row,) = await things.rows("SELECT COUNT(*) FROM things", within=tx)
            await asyncio.sleep(0)
            await tx.execute("INSERT INTO things (name) VALUES (?)", (str(row[0]),))

    await asyncio.gather(*(count_up() for _ in range(10)))
    assert await names(things) == [str(number) for number in range(10)]


async def test_a_joined_transaction_ends_with_the_outer_one(things: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with things.transaction() as outer:
            async with things.transaction(outer) as inner:
                await inner.execute("INSERT INTO things (name) VALUES ('cat')")
            raise ZeroDivisionError
    assert await names(things) == []


async def test_a_cancelled_transaction_does_not_block_the_next(things: Database) -> None:
    for turns in range(12):  # cancelled at another await each time: BEGIN, the statement, COMMIT

        async def insert() -> None:
            async with things.transaction() as tx:
                await tx.execute("INSERT INTO things (name) VALUES ('cat')")

        task = asyncio.create_task(insert())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        async with things.transaction() as tx:
            await tx.execute("DELETE FROM things")
    assert await names(things) == []


async def add_cat(things: Database) -> None:
    async with things.transaction() as tx:
        await tx.execute("INSERT INTO things (name) VALUES ('cat')")


async def test_what_another_program_holds_is_said_and_what_must_be_kept_is_written_later(
    things: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await things.connection.execute("PRAGMA busy_timeout = 10")
    monkeypatch.setattr(database, "_RETRY_SECONDS", 0.01)
    with closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unwritable) as refused:
            await add_cat(things)
        assert refused.value.code == "database_busy" and await names(things) == []
        keeping = asyncio.create_task(until_written(lambda: add_cat(things)))
        await asyncio.wait([keeping], timeout=0.05)
        assert not keeping.done()
    await keeping
    assert await names(things) == ["cat"]
    assert len(caplog.records) == 2, "once that it is held, once that it is free"


async def test_a_full_disk_leaves_nothing_half_written_and_other_errors_are_what_they_were(
    things: Database,
) -> None:
    await things.connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(Unwritable) as refused:
        async with things.transaction() as tx:
            await tx.execute("INSERT INTO things (name) VALUES (hex(zeroblob(10000)))")
    assert refused.value.code == "disk_full" and await names(things) == []
    with pytest.raises(sqlite3.OperationalError):
        async with things.transaction() as tx:
            await tx.execute("INSERT INTO nowhere VALUES (1)")
