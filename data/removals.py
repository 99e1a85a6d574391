"""Messages that have to disappear from Discord, kept until they did."""

from __future__ import annotations

import time

from data.database import Database


class Removals:
    """The table of removals. Whoever erases rows adds theirs in the same transaction: see `Personal`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, channel_id: int, message_id: int) -> None:
        async with self._db.transaction() as tx:
            await tx.execute(
                "INSERT OR IGNORE INTO removals (channel_id, message_id, asked_at) VALUES (?, ?, ?)",
                (channel_id, message_id, time.time()),
            )

    async def all(self) -> list[tuple[int, int]]:
        """Channel and id of each message."""
        rows = await self._db.rows("SELECT channel_id, message_id FROM removals ORDER BY asked_at")
        return [(row["channel_id"], row["message_id"]) for row in rows]

    async def done(self, channel_id: int, message_id: int) -> None:
        """A message is gone."""
        async with self._db.transaction() as tx:
            await tx.execute(
                "DELETE FROM removals WHERE channel_id = ? AND message_id = ?", (channel_id, message_id)
            )
