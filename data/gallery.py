"""Prompts that were shared, the votes on them, and when a guild had its last digest."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from data.database import Database

_SEARCHES = 1000
"""Searches of a guild that are remembered; the pages of older ones can't be turned any more."""


class Order(StrEnum):
    """How a list of shared prompts is sorted and which of them it holds."""

    top = "top"
    new = "new"
    mine = "mine"
    search = "search"


@dataclass(frozen=True, slots=True)
class Shared:
    """One card of a gallery channel. Times are Unix seconds."""

    id: int
    guild_id: int
    user_id: int
    """Who shared it, or trained the model whose samples it shows."""
    job_id: int
    picture_id: int
    channel_id: int | None
    message_id: int | None
    """None until the card is posted."""
    prompt: str
    subject: str
    """The trigger phrase in the prompt; empty where it has none."""
    works: int
    fails: int
    created_at: float
    score: float
    """What ranks it: the share of *works*, cautious where votes are few (see the migration)."""


_COLUMNS = ", ".join(field.name for field in fields(Shared))

_SORTED = {
    Order.top: "score DESC, works - fails DESC, id DESC",
    Order.new: "id DESC",
    Order.mine: "id DESC",
    Order.search: "score DESC, works - fails DESC, id DESC",
}


class Gallery:
    """The tables of what is shared.

    Whoever erases a person or a picture need not call it: rows and counts follow by the schema's own rules.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def share(
        self, *, guild_id: int, user_id: int, job_id: int, picture_id: int, prompt: str, subject: str
    ) -> Shared:
        """The entry of a picture: a new one, or the one that it has."""
        values = {
            "guild_id": guild_id,
            "user_id": user_id,
            "job_id": job_id,
            "picture_id": picture_id,
            "prompt": prompt,
            "subject": subject,
            "created_at": time.time(),
        }
        async with self._db.transaction() as tx:
            rows = await tx.execute_fetchall(
                f"INSERT INTO shared ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"
                # An update that changes nothing, since only what was written is returned.
                f" ON CONFLICT (picture_id) DO UPDATE SET prompt = prompt RETURNING {_COLUMNS}",
                tuple(values.values()),
            )
        (row,) = rows
        return _shared(row)

    async def get(self, shared_id: int) -> Shared | None:
        row = await self._db.row(f"SELECT {_COLUMNS} FROM shared WHERE id = ?", (shared_id,))
        return _shared(row) if row else None

    async def of_job(self, job_id: int) -> list[Shared]:
        """The entries of a job's pictures."""
        rows = await self._db.rows(f"SELECT {_COLUMNS} FROM shared WHERE job_id = ?", (job_id,))
        return [_shared(row) for row in rows]

    async def posted(self, shared_id: int, channel_id: int, message_id: int) -> bool:
        """Remember where the card is. False when there is no such entry any more."""
        async with self._db.transaction() as tx:
            cursor = await tx.execute(
                "UPDATE shared SET channel_id = ?, message_id = ? WHERE id = ?",
                (channel_id, message_id, shared_id),
            )
        return cursor.rowcount > 0

    async def vote(self, shared_id: int, user_id: int, works: bool) -> Shared | None:
        """Count a person's vote in place of an earlier one; the same once more takes it back.

        None when there is no such entry.
        """
        async with self._db.transaction() as tx:
            if not await self._db.row("SELECT 1 FROM shared WHERE id = ?", (shared_id,), within=tx):
                return None
            before = await self._db.row(
                "SELECT works FROM votes WHERE shared_id = ? AND user_id = ?", (shared_id, user_id), within=tx
            )
            if before is not None and bool(before["works"]) == works:
                await tx.execute(
                    "DELETE FROM votes WHERE shared_id = ? AND user_id = ?", (shared_id, user_id)
                )
            else:
                await tx.execute(
                    "INSERT INTO votes (shared_id, user_id, works) VALUES (?, ?, ?)"
                    " ON CONFLICT (shared_id, user_id) DO UPDATE SET works = excluded.works",
                    (shared_id, user_id, works),
                )
        return await self.get(shared_id)

    async def page(
        self,
        guild_id: int,
        order: Order,
        *,
        limit: int,
        offset: int = 0,
        user_id: int | None = None,
        words: str = "",
        since: float = 0,
        channels: Collection[int] | None = None,
    ) -> list[Shared]:
        """Posted entries of a guild: of one person where `user_id` is given, with all `words`, not older.

        `channels` are those that count; by default all.
        """
        conditions = ["guild_id = ?", "message_id IS NOT NULL", "created_at >= ?"]
        bound: list[Any] = [guild_id, since]
        if user_id is not None:
            conditions.append("user_id = ?")
            bound.append(user_id)
        if channels is not None:
            conditions.append(f"channel_id IN ({', '.join('?' * len(channels))})")
            bound += channels
        for word in words.split():
            conditions.append("prompt LIKE ? ESCAPE '!'")
            bound.append(f"%{_literal(word)}%")
        rows = await self._db.rows(
            f"SELECT {_COLUMNS} FROM shared WHERE {' AND '.join(conditions)}"
            f" ORDER BY {_SORTED[order]} LIMIT ? OFFSET ?",
            (*bound, limit, offset),
        )
        return [_shared(row) for row in rows]

    async def channels(self, guild_id: int) -> list[int]:
        """Where a guild's entries are posted."""
        rows = await self._db.rows(
            "SELECT DISTINCT channel_id FROM shared WHERE guild_id = ? AND channel_id IS NOT NULL",
            (guild_id,),
        )
        return [int(row["channel_id"]) for row in rows]

    async def search(self, guild_id: int, user_id: int, words: str) -> int:
        """The number under which these words of a person are kept."""
        async with self._db.transaction() as tx:
            (row,) = await tx.execute_fetchall(
                "INSERT INTO searches (guild_id, user_id, words) VALUES (?, ?, ?)"
                " ON CONFLICT (guild_id, user_id, words) DO UPDATE SET words = words RETURNING id",
                (guild_id, user_id, words),
            )
            await tx.execute(
                "DELETE FROM searches WHERE guild_id = ? AND id != ? AND id <="
                " (SELECT id FROM searches WHERE guild_id = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (guild_id, row["id"], guild_id, _SEARCHES),
            )
        return int(row["id"])

    async def searched(self, search_id: int, guild_id: int, user_id: int) -> str | None:
        """The words of a person's search in this guild."""
        row = await self._db.row(
            "SELECT words FROM searches WHERE id = ? AND guild_id = ? AND user_id = ?",
            (search_id, guild_id, user_id),
        )
        return str(row["words"]) if row else None

    async def due_digests(self, before: float) -> list[int]:
        """Guilds that want digests and had none since `before`."""
        rows = await self._db.rows(
            "SELECT guild_id FROM settings LEFT JOIN digests USING (guild_id)"
            " WHERE key = 'digest' AND value = 'true' AND IFNULL(sent_at, 0) <= ?",
            (before,),
        )
        return [int(row["guild_id"]) for row in rows]

    async def digested(self, guild_id: int, when: float) -> None:
        """Remember when a guild had its digest."""
        async with self._db.transaction() as tx:
            await tx.execute(
                "INSERT INTO digests (guild_id, sent_at) VALUES (?, ?)"
                " ON CONFLICT (guild_id) DO UPDATE SET sent_at = excluded.sent_at",
                (guild_id, when),
            )


def _literal(word: str) -> str:
    """A word for LIKE in which nothing stands for anything else."""
    return word.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _shared(row: sqlite3.Row) -> Shared:
    return Shared(**dict(row))
