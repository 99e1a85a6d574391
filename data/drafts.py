"""Trainings that were prepared and wait for Start."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Unpack

from aiosqlite import Connection

from data.database import Database
from data.jobs import Origin

KEEP_SECONDS = 24 * 3600.0
"""How long a draft waits to be started."""


@dataclass(frozen=True, slots=True)
class Crop:
    """One crop that may be trained on; its file is its place among the crops, as `0.png`."""

    photo: int
    """Number of the uploaded photo, from 1."""
    face: str = ""
    """`a`, `b`, … where the photo shows several faces: one of them at most is used."""
    found: bool = True
    """Whether a face decided what the crop shows."""
    used: bool = True

    @property
    def label(self) -> str:
        return f"{self.photo}{self.face}"


@dataclass(frozen=True, slots=True)
class Draft:
    """A prepared training. Times are Unix seconds."""

    id: int
    user_id: int
    guild_id: int
    channel_id: int
    locale: str
    wish: str
    """JSON of a `bot.services.wish.Wish`."""
    crops: tuple[Crop, ...]
    notices: tuple[tuple[str, dict[str, Any]], ...]
    """Code and parameters of everything that was wrong with a photo."""
    consent_at: float
    created_at: float

    @property
    def used(self) -> tuple[int, ...]:
        """Places of the crops that are used."""
        return tuple(place for place, crop in enumerate(self.crops) if crop.used)


class Drafts:
    """The table of drafts: one a person and guild. Methods that take `tx` join that transaction."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def create(
        self,
        *,
        wish: str,
        crops: Sequence[Crop],
        notices: Sequence[tuple[str, dict[str, Any]]],
        consent_at: float,
        tx: Connection,
        **origin: Unpack[Origin],
    ) -> Draft:
        """Keep a draft in place of the one that the person had here."""
        await tx.execute(
            "DELETE FROM drafts WHERE user_id = ? AND guild_id = ?", (origin["user_id"], origin["guild_id"])
        )
        values = {
            **origin,
            "wish": wish,
            "crops": _written(crops),
            "notices": json.dumps(list(notices)),
            "consent_at": consent_at,
            "created_at": time.time(),
        }
        (row,) = await tx.execute_fetchall(
            f"INSERT INTO drafts ({', '.join(values)}) VALUES ({', '.join('?' * len(values))}) RETURNING *",
            tuple(values.values()),
        )
        return _draft(row)

    async def get(self, draft_id: int, tx: Connection | None = None) -> Draft | None:
        row = await self._db.row("SELECT * FROM drafts WHERE id = ?", (draft_id,), within=tx)
        return _draft(row) if row else None

    async def of(self, user_id: int, guild_id: int, tx: Connection) -> Draft | None:
        """The draft that a person has in a guild."""
        row = await self._db.row(
            "SELECT * FROM drafts WHERE user_id = ? AND guild_id = ?", (user_id, guild_id), within=tx
        )
        return _draft(row) if row else None

    async def use(self, draft: Draft, places: Sequence[int]) -> Draft:
        """Use these crops and no others."""
        crops = tuple(replace(crop, used=place in places) for place, crop in enumerate(draft.crops))
        async with self._db.transaction() as tx:
            await tx.execute("UPDATE drafts SET crops = ? WHERE id = ?", (_written(crops), draft.id))
        return replace(draft, crops=crops)

    async def delete(self, draft_id: int, tx: Connection | None = None) -> bool:
        """False when it was gone already: somebody else started or removed it."""
        async with self._db.transaction(tx) as connection:
            cursor = await connection.execute("DELETE FROM drafts WHERE id = ?", (draft_id,))
        return cursor.rowcount > 0

    async def delete_old(self) -> None:
        """Remove the drafts whose time is over; their folders are the caller's."""
        async with self._db.transaction() as tx:
            await tx.execute("DELETE FROM drafts WHERE created_at < ?", (time.time() - KEEP_SECONDS,))


def _written(crops: Sequence[Crop]) -> str:
    return json.dumps([asdict(crop) for crop in crops])


def _draft(row: sqlite3.Row) -> Draft:
    values = dict(row)
    values["crops"] = tuple(Crop(**crop) for crop in json.loads(values["crops"]))
    values["notices"] = tuple((code, params) for code, params in json.loads(values["notices"]))
    return Draft(**values)
