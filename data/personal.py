"""Whatever the database holds about one person or one guild, found by the names of its columns.

New tables are covered by naming their columns as the others do; a test fails for a column that it can't
place.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from sqlite3 import Row
from typing import Any, Literal

from aiosqlite import Connection

from data.database import Database

Subject = Literal["user", "guild"]

PERSON = ("user_id", "owner_id", "reporter_id")
"""Columns that say whose a row is."""

MADE = ("created_at", "published_at")
"""Columns that say when a row came to be. Votes and the words of searches have none."""

_SECRET = ("sealed",)
"""Columns that are never given away, not even to their owner."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with rows that belong to somebody; `condition` finds them, and takes the id `marks` times."""

    name: str
    columns: tuple[str, ...]
    condition: str
    marks: int

    @property
    def select(self) -> str:
        """The query for the rows, without secrets."""
        columns = ", ".join(column for column in self.columns if column not in _SECRET)
        return f"SELECT {columns} FROM {self.name} WHERE {self.condition}"


class Personal:
    """Finds, counts and removes rows; files are the caller's to remove."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def tables(self, subject: Subject) -> list[Table]:
        """The tables with rows of persons, or of guilds."""
        found = []
        for name, columns in (await self._schema(None)).items():
            own = [column for column in (PERSON if subject == "user" else ("guild_id",)) if column in columns]
            terms = [f"{column} = ?" for column in own]
            if {"scope", "scope_id"} <= set(columns):
                terms.append(f"(scope = '{subject}' AND scope_id = ?)")
            if terms:
                found.append(Table(name, columns, " OR ".join(terms), len(terms)))
        return found

    async def held(self, subject: Subject) -> list[Table]:
        """The same, and the pictures of their jobs."""
        column = "user_id" if subject == "user" else "guild_id"
        made = f"deleted_at IS NULL AND job_id IN (SELECT id FROM jobs WHERE {column} = ?)"
        pictures = Table("pictures", await self._columns("pictures", None), made, 1)
        return [*await self.tables(subject), pictures]

    async def counts(self, subject: Subject, subject_id: int) -> dict[str, int]:
        """How many rows of a person or guild there are, by table that says whose they are."""
        counted = {}
        for table in await self.tables(subject):
            found = await self._db.row(
                f"SELECT COUNT(*) FROM {table.name} WHERE {table.condition}", [subject_id] * table.marks
            )
            counted[table.name] = int(found[0]) if found else 0
        return counted

    async def begin_erasing(self, user_id: int) -> None:
        """Remember that somebody is to be erased, until `erase` has done it."""
        async with self._db.transaction() as tx:
            await tx.execute("INSERT OR REPLACE INTO erasures VALUES (?, ?)", (user_id, time.time()))

    async def unfinished(self) -> list[tuple[int, float]]:
        """Who is to be erased and still is not, and when they asked."""
        rows = await self._db.rows("SELECT user_id, asked_at FROM erasures")
        return [(row["user_id"], row["asked_at"]) for row in rows]

    async def leaves(self, subject: Subject, subject_id: int, tx: Connection | None = None) -> bool:
        """Whether a person is still to be erased, or a guild has not come back."""
        table, column = ("erasures", "user_id") if subject == "user" else ("departures", "guild_id")
        found = await self._db.row(f"SELECT 1 FROM {table} WHERE {column} = ?", (subject_id,), within=tx)
        return found is not None

    async def erase_jobs(self, jobs: Sequence[int], tx: Connection) -> list[tuple[int, int]]:
        """Delete jobs and every row that hangs on them; channel and id of the messages that showed them."""
        return await self._delete("jobs", f"id IN ({', '.join('?' * len(jobs))})", jobs, tx)

    async def erase(
        self, subject: Subject, subject_id: int, tx: Connection, *, before: float = math.inf
    ) -> list[tuple[int, int]]:
        """Delete every row of a person or guild, and every row that hangs on one of those.

        But not those that came to be after `before`, where they say when that was. Returns channel and id of
        the messages that showed them.
        """
        shown: list[tuple[int, int]] = []
        for table in await self.tables(subject):
            made = [f"{column} <= ?" for column in MADE if column in table.columns]
            values = [*[subject_id] * table.marks, *[before] * len(made)]
            about = await self._delete(table.name, " AND ".join([f"({table.condition})", *made]), values, tx)
            if table.name != "reports":  # the moderators' card is about somebody else's picture
                shown += about
        return list(dict.fromkeys(shown))

    async def _delete(
        self, table: str, condition: str, values: Sequence[float], tx: Connection
    ) -> list[tuple[int, int]]:
        """Delete rows, those that belong to them first; the messages that showed them."""
        shown: list[tuple[int, int]] = []
        for key in await self._children(table, tx):
            if key["on_delete"] != "SET NULL":
                of_these = f"{key['from']} IN (SELECT {key['to'] or 'id'} FROM {table} WHERE {condition})"
                shown += await self._delete(key["child"], of_these, values, tx)
        if {"channel_id", "message_id"} <= set(await self._columns(table, tx)):
            rows = await self._db.rows(
                f"SELECT channel_id, message_id FROM {table} WHERE ({condition})"
                " AND channel_id IS NOT NULL AND message_id IS NOT NULL",
                values,
                within=tx,
            )
            shown += [(row["channel_id"], row["message_id"]) for row in rows]
        await tx.execute(f"DELETE FROM {table} WHERE {condition}", values)
        return shown

    async def forget_pictures(self, pictures: Sequence[int], tx: Connection) -> list[tuple[int, int]]:
        """Delete every row that shows one of these pictures; channel and id of the messages that did."""
        shown: list[tuple[int, int]] = []
        for key in await self._children("pictures", tx):
            about = f"{key['from']} IN ({', '.join('?' * len(pictures))})"
            shown += await self._delete(key["child"], about, pictures, tx)
        return shown

    async def take_down(self, messages: Iterable[tuple[int, int]], tx: Connection) -> None:
        """Have messages, by channel and id, removed from Discord: the janitor tries until they are gone."""
        now = time.time()
        await tx.executemany(
            "INSERT OR IGNORE INTO removals (channel_id, message_id, asked_at) VALUES (?, ?, ?)",
            [(channel, message, now) for channel, message in messages],
        )

    async def _children(self, parent: str, tx: Connection) -> list[Row]:
        """Foreign keys that point at a table, each with the `child` that has it."""
        return await self._db.rows(
            "SELECT tables.name AS child, keys.* FROM sqlite_master AS tables"
            " JOIN pragma_foreign_key_list(tables.name) AS keys"
            " WHERE tables.type = 'table' AND keys.[table] = ?",
            (parent,),
            within=tx,
        )

    async def _schema(self, tx: Connection | None) -> dict[str, tuple[str, ...]]:
        tables = await self._db.rows(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'", within=tx
        )
        return {row["name"]: await self._columns(row["name"], tx) for row in tables}

    async def _columns(self, table: str, tx: Connection | None) -> tuple[str, ...]:
        columns: Sequence[Any] = await self._db.rows(f"PRAGMA table_info({table})", within=tx)
        return tuple(row["name"] for row in columns)
