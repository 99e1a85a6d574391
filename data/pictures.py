"""Pictures that jobs made: drawings, and the samples of trainings."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass, fields
from pathlib import Path

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

    def _picture(self, row: sqlite3.Row) -> Picture:
        values = dict(row)
        path, flagged = self._files.absolute(values["path"]), bool(values["flagged"])
        return Picture(**values | {"path": path, "flagged": flagged})
