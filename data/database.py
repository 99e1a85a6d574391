"""The one SQLite database: opened, migrated, read and written here. The bot process is its only writer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from data.errors import CodedError

logger = logging.getLogger(__name__)

_MIGRATIONS = Path(__file__).with_name("migrations")

Parameters = Iterable[Any]
Result = TypeVar("Result")

_BUSY_SECONDS = 5.0
"""How long a transaction waits for somebody else's."""
_RETRY_SECONDS = 2.0


class BadDatabase(RuntimeError):
    """The file is damaged, can't be opened or is another program's. Nothing was written to it."""


class DatabaseTooNew(BadDatabase):
    """The database was written by a newer version of this program than the one that opens it."""


class Unwritable(CodedError):
    """Nothing can be written now, and nothing was. Code: database_busy (another holds it) or disk_full."""


async def until_written(write: Callable[[], Awaitable[Result]]) -> Result:
    """Do a write, one whole transaction or what may be repeated, again and again until the database takes it.

    For what must not be lost. A person who waits had better be told to try again.
    """
    while True:
        try:
            return await write()
        except Unwritable:
            await asyncio.sleep(_RETRY_SECONDS)


class Database:
    """One connection that writes, in serialised transactions, and one that reads what is committed.

    Reading on a connection of its own means that nobody ever acts on a row that is rolled back later.
    """

    def __init__(self, writer: aiosqlite.Connection, reader: aiosqlite.Connection) -> None:
        self._writer = writer
        self._reader = reader
        self._lock = asyncio.Lock()
        self._refuses = False

    @classmethod
    async def open(cls, path: Path, migrations: Path = _MIGRATIONS) -> Database:
        """Open `path`, create it if need be, and bring it up to date.

        Raises BadDatabase, also where a migration fails; the database is then unchanged.
        """
        await asyncio.to_thread(_migrate, path, migrations)
        writer = await _connect(path)
        reader = await _connect(path)
        await reader.execute("PRAGMA query_only = ON")
        return cls(writer, reader)

    @property
    def connection(self) -> aiosqlite.Connection:
        """The writing connection; outside `transaction` every statement commits by itself."""
        return self._writer

    @contextlib.asynccontextmanager
    async def transaction(
        self, within: aiosqlite.Connection | None = None
    ) -> AsyncGenerator[aiosqlite.Connection, None]:
        """BEGIN IMMEDIATE, then COMMIT, or ROLLBACK when the block raises.

        `within` is a transaction that is open already: the block joins it instead. Raises Unwritable.
        """
        if within is not None:
            yield within
            return
        async with self._lock:
            try:
                await self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                await self._writer.execute("COMMIT")
                self._tell(None)
            except BaseException as error:
                # Also after a cancelled BEGIN or COMMIT, which the connection's thread still carries out:
                # there may then be nothing to roll back.
                with contextlib.suppress(sqlite3.OperationalError):
                    await asyncio.shield(asyncio.ensure_future(self._rollback()))
                if (refusal := _refusal(error)) is not None:
                    self._tell(refusal)
                    raise refusal from error
                raise

    def _tell(self, refusal: Unwritable | None) -> None:
        """Say in the log that writing is over for now, and when it is possible again: not each time."""
        if refusal is not None and not self._refuses:
            logger.warning("%s What must be kept is tried again.", refusal.message)
        elif refusal is None and self._refuses:
            logger.warning("The database can be written again.")
        self._refuses = refusal is not None

    async def _rollback(self) -> None:
        await self._writer.execute("ROLLBACK")

    async def rows(
        self, sql: str, parameters: Parameters = (), within: aiosqlite.Connection | None = None
    ) -> list[sqlite3.Row]:
        """All rows of a query, as last committed, or as seen `within` an open transaction."""
        return list(await (within or self._reader).execute_fetchall(sql, parameters))

    async def row(
        self, sql: str, parameters: Parameters = (), within: aiosqlite.Connection | None = None
    ) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        found = await self.rows(sql, parameters, within)
        return found[0] if found else None

    async def close(self) -> None:
        await self._reader.close()
        await self._writer.close()


def _refusal(error: BaseException) -> Unwritable | None:
    """What an error means that may be over in a moment; None for every other."""
    kind = error.sqlite_errorcode & 0xFF if isinstance(error, sqlite3.OperationalError) else None
    if kind == sqlite3.SQLITE_FULL:
        return Unwritable("disk_full", "The disk is full, so the database can't be written.")
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR):
        return Unwritable("database_busy", f"The database can't be written now: {error}.")
    return None


async def _connect(path: Path) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(path, isolation_level=None)
    connection.row_factory = sqlite3.Row
    await connection.execute("PRAGMA foreign_keys = ON")
    await connection.execute(f"PRAGMA busy_timeout = {round(1000 * _BUSY_SECONDS)}")
    return connection


def _migrate(path: Path, folder: Path) -> None:
    scripts = {int(script.name[:4]): script for script in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))}
    version = examine(path)
    if version > max(scripts, default=0):
        raise DatabaseTooNew(
            f"{path} has version {version}, this program knows versions up to {max(scripts, default=0)}: "
            "update the program, or restore the backup that the newer one left beside the database."
        )
    ahead = sorted(number for number in scripts if number > version)
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            if version and ahead:
                _back_up(connection, path.with_name(f"{path.name}.before-{ahead[0]:04d}"))
            for number in ahead:
                _apply(connection, number, scripts[number].read_text(encoding="utf-8"))
    except sqlite3.Error as error:
        raise BadDatabase(
            f"{path} can't be brought up to date: {error}. What it holds is unchanged."
        ) from error


def examine(path: Path) -> int:
    """Read a database through and write nothing; returns its version, 0 for a new one. Blocking.

    Raises BadDatabase.
    """
    if not path.exists():
        return 0
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        ) as connection:
            version: int = connection.execute("PRAGMA user_version").fetchone()[0]
            (fault,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            tables = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.OperationalError as error:
        raise BadDatabase(
            f"{path} can't be opened: {error}. See that you may read and write it, and that no other program "
            "holds it."
        ) from error
    except sqlite3.DatabaseError as error:
        fault = str(error)
    except UnicodeDecodeError:  # SQLite's own message quotes what it found
        fault = "its tables can't be read"
    if fault != "ok":
        raise BadDatabase(
            f"{path} is damaged: {fault.splitlines()[-1]}. Nothing was changed. Put it back from your "
            f"backup, or from a copy that an update left beside it ({path.name}.before-*)."
        )
    if tables and not version:
        raise BadDatabase(
            f"{path} is the database of another program. Nothing was changed. Move it away, or choose "
            "another folder as LIKENESS_HOME."
        )
    return version


def _back_up(connection: sqlite3.Connection, target: Path) -> None:
    """Copy the database, complete on disk under its final name or not there at all."""
    incoming = target.with_name(target.name + ".incoming")
    incoming.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(incoming),))
    with incoming.open("rb") as file:
        os.fsync(file.fileno())
    incoming.replace(target)


def _apply(connection: sqlite3.Connection, number: int, script: str) -> None:
    try:
        # `executescript` commits what is open before it starts, so the transaction is part of the script.
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}\n;PRAGMA user_version = {number};\nCOMMIT;")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
