"""Styles that the admins of a guild added."""

from __future__ import annotations

import time
from dataclasses import dataclass

from data.database import Database


@dataclass(frozen=True, slots=True)
class GuildStyle:
    """One style of a guild; see `bot.services.styles` for what a template says."""

    name: str
    template: str


class Styles:
    """The style table."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def of_guild(self, guild_id: int) -> list[GuildStyle]:
        """A guild's own styles, by name."""
        rows = await self._db.rows(
            "SELECT name, template FROM styles WHERE guild_id = ? ORDER BY name", (guild_id,)
        )
        return [GuildStyle(row["name"], row["template"]) for row in rows]

    async def add(self, guild_id: int, style: GuildStyle, limit: int) -> bool:
        """Keep a style, in place of the guild's one of that name. False when it has `limit` others."""
        async with self._db.transaction() as tx:
            row = await self._db.row(
                "SELECT COUNT(*) FROM styles WHERE guild_id = ? AND name != ?",
                (guild_id, style.name),
                within=tx,
            )
            if row is not None and row[0] >= limit:
                return False
            await tx.execute(
                "INSERT INTO styles (guild_id, name, template, created_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (guild_id, name) DO UPDATE SET template = excluded.template",
                (guild_id, style.name, style.template, time.time()),
            )
        return True

    async def remove(self, guild_id: int, name: str) -> bool:
        """Forget a style. False when there was none."""
        async with self._db.transaction() as tx:
            cursor = await tx.execute("DELETE FROM styles WHERE guild_id = ? AND name = ?", (guild_id, name))
        return cursor.rowcount > 0
