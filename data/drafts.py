"""Trainings that are being prepared: they wait for their form, for consent, for more photos, or for Start."""

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
class Attached:
    """A file that lies at Discord, which keeps its address for about a day."""

    filename: str
    url: str
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A training that is being prepared. Times are Unix seconds."""

    id: int
    user_id: int
    guild_id: int
    channel_id: int
    locale: str
    wish: str
    """JSON of a `bot.services.wish.Wish`."""
    crops: tuple[Crop, ...]
    notices: tuple[tuple[str, dict[str, Any]], ...]
    """Code and parameters of everything that was wrong, the most important first."""
    consent_at: float | None
    """When the person said that the photos may be used."""
    created_at: float
    attached: tuple[Attached, ...] = ()
    """Photos that were chosen before the form was opened."""
    uploads: tuple[str, ...] = ()
    """Names of the files that are kept as they were sent, as `0` and so on: until there are crops."""

    @property
    def origin(self) -> Origin:
        """Who prepares it, and where."""
        return Origin(
            user_id=self.user_id, guild_id=self.guild_id, channel_id=self.channel_id, locale=self.locale
        )

    @property
    def used(self) -> tuple[int, ...]:
        """Places of the crops that are used."""
        return tuple(place for place, crop in enumerate(self.crops) if crop.used)


class Drafts:
    """The table of drafts: in a guild, each person has one with photos, and one for each open form.

    Methods that take `tx` join that transaction.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def create(
        self,
        *,
        wish: str,
        crops: Sequence[Crop] = (),
        notices: Sequence[tuple[str, dict[str, Any]]] = (),
        attached: Sequence[Attached] = (),
        uploads: Sequence[str] = (),
        consent_at: float | None = None,
        tx: Connection,
        **origin: Unpack[Origin],
    ) -> Draft:
        values = {
            **origin,
            "wish": wish,
            "crops": _written(crops),
            "notices": json.dumps(list(notices)),
            "attached": json.dumps([asdict(file) for file in attached]),
            "uploads": json.dumps(list(uploads)),
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

    async def clear(self, user_id: int, guild_id: int, form: int | None, tx: Connection) -> list[int]:
        """Remove the draft with photos that a person has in a guild, and that of a `form` that was sent.

        Returns their ids; their folders are the caller's.
        """
        rows = await tx.execute_fetchall(
            "DELETE FROM drafts WHERE user_id = ? AND guild_id = ?"
            " AND (crops != '[]' OR uploads != '[]' OR id = ?) RETURNING id",
            (user_id, guild_id, form),
        )
        return [int(row["id"]) for row in rows]

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
    values["attached"] = tuple(Attached(**file) for file in json.loads(values["attached"]))
    values["uploads"] = tuple(json.loads(values["uploads"]))
    return Draft(**values)
