"""What the bot knows about itself, such as which commands it has told Discord."""

from __future__ import annotations

from data.database import Database


class Notes:
    """The note table: texts by key."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, key: str) -> str | None:
        row = await self._db.row("SELECT value FROM notes WHERE key = ?", (key,))
        return row["value"] if row else None

    async def put(self, key: str, value: str | None) -> None:
        """Keep a text, or with None nothing any more."""
        async with self._db.transaction() as tx:
            await tx.execute("DELETE FROM notes WHERE key = ?", (key,))
            if value is not None:
                await tx.execute("INSERT INTO notes (key, value) VALUES (?, ?)", (key, value))
