"""Pictures that jobs made: drawings, and the samples of trainings."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

from aiosqlite import Connection

from data.database import Database
from data.files import FileStore


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture. Sizes are pixels, times are Unix seconds."""

    id: int
    job_id: int
    idx: int
    """Place in its job, from 0."""
    path: Path
    prompt: str
    seed: int
    width: int
    height: int
    created_at: float
    deleted_at: float | None
    flagged: bool
    """The safety checker hid it: what is kept is a blur."""


class Kept(NamedTuple):
    """A picture that is not deleted."""

    id: int
    created_at: float
    guild_id: int


class Gone(NamedTuple):
    """What may be left on disk of a picture that expired."""

    job_id: int
    path: Path


_TOLD_SECONDS = 24 * 3600.0
"""For so long after a drawing's end the face may still try to show it, see `Announcer`."""

_COLUMNS = ", ".join(field.name for field in fields(Picture))


class Pictures:
    """The picture table. Methods that take `tx` join that transaction; the others commit by themselves."""

    def __init__(self, db: Database, files: FileStore) -> None:
        self._db = db
        self._files = files

    async def add(
        self,
        *,
        job_id: int,
        idx: int,
        path: Path,
        prompt: str,
        seed: int,
        width: int,
        height: int,
        flagged: bool = False,
        tx: Connection | None = None,
    ) -> Picture:
        """Record a picture; a job that runs again after a crash replaces the one it made before."""
        async with self._db.transaction(tx) as connection:
            rows = await connection.execute_fetchall(
                "INSERT INTO pictures (job_id, idx, path, prompt, seed, width, height, created_at, flagged)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (job_id, idx) DO UPDATE SET"
                " path = excluded.path, prompt = excluded.prompt, seed = excluded.seed,"
                " width = excluded.width, height = excluded.height, flagged = excluded.flagged"
                f" RETURNING {_COLUMNS}",
                (job_id, idx, self._files.relative(path), prompt, seed, width, height, time.time(), flagged),
            )
        return self._picture(*rows)

    async def get(self, picture_id: int) -> Picture | None:
        """One picture, deleted or not."""
        row = await self._db.row(f"SELECT {_COLUMNS} FROM pictures WHERE id = ?", (picture_id,))
        return self._picture(row) if row else None

    async def of_job(self, job_id: int) -> list[Picture]:
        """Pictures of a job that are not deleted, in order."""
        rows = await self._db.rows(
            f"SELECT {_COLUMNS} FROM pictures WHERE job_id = ? AND deleted_at IS NULL ORDER BY idx", (job_id,)
        )
        return [self._picture(row) for row in rows]

    async def delete_job(self, job_id: int, tx: Connection | None = None) -> int:
        """Mark all pictures of a job as deleted and return how many; the files are the caller's to remove."""
        async with self._db.transaction(tx) as connection:
            cursor = await connection.execute(
                "UPDATE pictures SET deleted_at = ? WHERE job_id = ? AND deleted_at IS NULL",
                (time.time(), job_id),
            )
        return cursor.rowcount

    async def before(self, limit: float, after: tuple[float, int], count: int) -> list[Kept]:
        """The oldest `count` pictures made before `limit`; `after` are time and id of the last one seen."""
        rows = await self._db.rows(
            "SELECT kept.id, kept.created_at, jobs.guild_id FROM ("
            " SELECT id, created_at, job_id FROM pictures"
            " WHERE deleted_at IS NULL AND created_at < ? AND (created_at, id) > (?, ?)"
            " ORDER BY created_at, id LIMIT ?) AS kept JOIN jobs ON jobs.id = kept.job_id"
            " ORDER BY kept.created_at, kept.id",
            (limit, *after, count),
        )
        return [Kept(*row) for row in rows]

    async def artists(self, guild_id: int) -> list[int]:
        """Everybody who drew in a guild."""
        rows = await self._db.rows(
            "SELECT DISTINCT user_id FROM jobs WHERE guild_id = ? AND kind = 'draw'", (guild_id,)
        )
        return [int(row["user_id"]) for row in rows]

    async def beyond(self, most: int, user_id: int, guild_id: int) -> list[int]:
        """What a person drew in a guild and still has, but for the newest `most`; by id, newest first."""
        rows = await self._db.rows(
            "SELECT pictures.id FROM jobs JOIN pictures ON pictures.job_id = jobs.id"
            " WHERE user_id = ? AND kind = 'draw' AND guild_id = ? AND deleted_at IS NULL"
            " ORDER BY pictures.id DESC LIMIT -1 OFFSET ?",
            (user_id, guild_id, most),
        )
        return [int(row["id"]) for row in rows]

    async def expire(self, pictures: Sequence[int]) -> list[Gone]:
        """Mark pictures as expired; the files are the caller's to remove.

        Samples of models stay, and so does what is shared, reported, or what a drawing is to begin with; and
        what its owner may still have to be shown, for a day.
        """
        now = time.time()
        async with self._db.transaction() as tx:
            rows = await tx.execute_fetchall(
                "UPDATE pictures SET deleted_at = ?, expired = 1"
                f" WHERE id IN ({', '.join('?' * len(pictures))}) AND deleted_at IS NULL"
                " AND EXISTS (SELECT 1 FROM jobs WHERE id = job_id AND kind = 'draw'"
                "             AND state NOT IN ('queued', 'running') AND (announced = 1 OR finished_at < ?))"
                " AND NOT EXISTS (SELECT 1 FROM shared WHERE picture_id = pictures.id)"
                " AND NOT EXISTS (SELECT 1 FROM reports WHERE job_id = pictures.job_id AND state = 'open')"
                " AND NOT EXISTS (SELECT 1 FROM jobs WHERE kind = 'draw' AND state IN ('queued', 'running')"
                "                 AND json_extract(payload, '$.init') = pictures.id)"
                " RETURNING job_id, path",
                (now, *pictures, now - _TOLD_SECONDS),
            )
        return [Gone(row["job_id"], self._files.absolute(row["path"])) for row in rows]

    async def lately_expired(self, since: float) -> list[Gone]:
        rows = await self._db.rows(
            "SELECT job_id, path FROM pictures WHERE expired = 1 AND deleted_at >= ?", (since,)
        )
        return [Gone(row["job_id"], self._files.absolute(row["path"])) for row in rows]

    async def expired(self, job_id: int, idx: int | None = None) -> bool:
        """Whether a picture of a job, or any of them, expired."""
        row = await self._db.row(
            "SELECT 1 FROM pictures WHERE job_id = ? AND expired = 1 AND idx = IFNULL(?, idx)", (job_id, idx)
        )
        return row is not None

    def _picture(self, row: sqlite3.Row) -> Picture:
        values = dict(row)
        path, flagged = self._files.absolute(values["path"]), bool(values["flagged"])
        return Picture(**values | {"path": path, "flagged": flagged})
