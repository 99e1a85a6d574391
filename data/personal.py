"""Whatever the database holds about one person or one guild, found by the names of its columns.

New tables are covered by naming their columns as the others do; a test fails for a column that it can't
place.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aiosqlite import Connection

from data.database import Database

Subject = Literal["user", "guild"]

PERSON = ("user_id", "owner_id", "reporter_id")
"""Columns that say whose a row is."""

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

    async def messages(self, subject: Subject, subject_id: int, tx: Connection) -> list[tuple[int, int]]:
        """Channel and id of every message that rows of a person or guild point at."""
        found: list[tuple[int, int]] = []
        for table in await self.tables(subject):
            if {"channel_id", "message_id"} <= set(table.columns) and table.name != "reports":
                rows = await self._db.rows(
                    f"SELECT channel_id, message_id FROM {table.name} WHERE ({table.condition})"
                    " AND channel_id IS NOT NULL AND message_id IS NOT NULL",
                    [subject_id] * table.marks,
                    within=tx,
                )
                found += [(row["channel_id"], row["message_id"]) for row in rows]
        if subject == "user":  # the moderators' cards that show a picture of theirs
            rows = await self._db.rows(
                "SELECT channel_id, message_id FROM reports WHERE message_id IS NOT NULL"
                " AND job_id IN (SELECT id FROM jobs WHERE user_id = ?)",
                (subject_id,),
                within=tx,
            )
            found += [(row["channel_id"], row["message_id"]) for row in rows]
        return list(dict.fromkeys(found))

    async def erase(self, subject: Subject, subject_id: int, tx: Connection) -> None:
        """Delete every row of a person or guild, and every row that hangs on one of those."""
        # Rows that point at each other go together: what is left hanging is found below.
        await tx.execute("PRAGMA defer_foreign_keys = ON")
        for table in await self.tables(subject):
            await tx.execute(f"DELETE FROM {table.name} WHERE {table.condition}", [subject_id] * table.marks)
        while await self._erase_orphans(tx):
            pass

    async def forget_pictures(self, pictures: Sequence[int], tx: Connection) -> list[tuple[int, int]]:
        """Delete every row that shows one of these pictures; channel and id of the messages that did."""
        marks = ", ".join("?" * len(pictures))
        shown: list[tuple[int, int]] = []
        for name, columns in (await self._schema(tx)).items():
            for key in await self._db.rows(f"PRAGMA foreign_key_list({name})", within=tx):
                if key["table"] != "pictures":
                    continue
                condition = f"{key['from']} IN ({marks})"
                if {"channel_id", "message_id"} <= set(columns):
                    rows = await self._db.rows(
                        f"SELECT channel_id, message_id FROM {name} WHERE {condition}"
                        " AND message_id IS NOT NULL",
                        pictures,
                        within=tx,
                    )
                    shown += [(row["channel_id"], row["message_id"]) for row in rows]
                await tx.execute(f"DELETE FROM {name} WHERE {condition}", pictures)
        return shown

    async def take_down(self, messages: Iterable[tuple[int, int]], tx: Connection) -> None:
        """Have messages, by channel and id, removed from Discord: the janitor tries until they are gone."""
        now = time.time()
        await tx.executemany(
            "INSERT OR IGNORE INTO removals (channel_id, message_id, asked_at) VALUES (?, ?, ?)",
            [(channel, message, now) for channel, message in messages],
        )

    async def _erase_orphans(self, tx: Connection) -> int:
        """Delete rows whose parents are gone and that no rule of their table took along; how many."""
        gone = 0
        for name in await self._schema(tx):
            for key in await self._db.rows(f"PRAGMA foreign_key_list({name})", within=tx):
                child, parent, column = key["from"], key["table"], key["to"] or "id"
                cursor = await tx.execute(
                    f"DELETE FROM {name} WHERE {child} IS NOT NULL"
                    f" AND NOT EXISTS (SELECT 1 FROM {parent} WHERE {parent}.{column} = {name}.{child})"
                )
                gone += cursor.rowcount
        return gone

    async def _schema(self, tx: Connection | None) -> dict[str, tuple[str, ...]]:
        tables = await self._db.rows(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'", within=tx
        )
        return {row["name"]: await self._columns(row["name"], tx) for row in tables}

    async def _columns(self, table: str, tx: Connection | None) -> tuple[str, ...]:
        columns: Sequence[Any] = await self._db.rows(f"PRAGMA table_info({table})", within=tx)
        return tuple(row["name"] for row in columns)
