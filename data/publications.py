"""Which model lies where on the Hugging Face Hub, as far as it was published from here."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass, fields
from typing import Literal

from aiosqlite import Connection

from data.database import Database

Visibility = Literal["private", "public"]


@dataclass(frozen=True, slots=True)
class Publication:
    """One repository of a person, as we last left it."""

    user_id: int
    repository: str
    guild_id: int
    model_id: int | None
    """None once the model is gone here; what was published stays in its owner's account."""
    url: str
    visibility: Visibility
    revision: str
    """Id of the commit."""
    published_at: float
    """Unix seconds."""


_COLUMNS = ", ".join(field.name for field in fields(Publication))


class Publications:
    """The table of publications, a row for each person and repository."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def put(
        self,
        *,
        user_id: int,
        repository: str,
        guild_id: int,
        model_id: int,
        url: str,
        visibility: Visibility,
        revision: str,
        tx: Connection,
    ) -> None:
        """Record what a repository holds now, in place of what it held before."""
        await tx.execute(
            f"INSERT OR REPLACE INTO publications ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (user_id, repository, guild_id, model_id, url, visibility, revision, time.time()),
        )

    async def of_user(self, user_id: int) -> list[Publication]:
        """A person's publications, newest first."""
        rows = await self._db.rows(
            f"SELECT {_COLUMNS} FROM publications WHERE user_id = ? ORDER BY published_at DESC", (user_id,)
        )
        return [_publication(row) for row in rows]

    async def of_model(self, model_id: int) -> Publication | None:
        """Where a model was published last, or None."""
        row = await self._db.row(
            f"SELECT {_COLUMNS} FROM publications WHERE model_id = ? ORDER BY published_at DESC", (model_id,)
        )
        return _publication(row) if row else None


def _publication(row: sqlite3.Row) -> Publication:
    return Publication(**dict(row))
