"""Reports of pictures that somebody finds wrong."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass, fields

from aiosqlite import Connection

from data.database import Database

ALL = 9999
"""The index of a report that means all pictures of its job."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one person said about one picture, or `ALL` of a job."""

    id: int
    job_id: int
    idx: int
    reporter_id: int
    guild_id: int
    reason: str
    locale: str
    state: str
    """`open`, `removed` or `dismissed`."""
    created_at: float
    channel_id: int | None
    message_id: int | None
    """The moderators' card, once it is posted."""


_COLUMNS = ", ".join(field.name for field in fields(Report))


class Reports:
    """The report table. Methods that take `tx` join that transaction; the others commit by themselves."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(
        self, *, job_id: int, idx: int, reporter_id: int, guild_id: int, reason: str, locale: str
    ) -> Report | None:
        """Keep a report; None when this person has reported this picture before."""
        async with self._db.transaction() as tx:
            rows = list(
                await tx.execute_fetchall(
                    "INSERT OR IGNORE INTO reports"
                    " (job_id, idx, reporter_id, guild_id, reason, locale, created_at)"
                    f" VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING {_COLUMNS}",
                    (job_id, idx, reporter_id, guild_id, reason, locale, time.time()),
                )
            )
        return _report(rows[0]) if rows else None

    async def get(self, report_id: int) -> Report | None:
        row = await self._db.row(f"SELECT {_COLUMNS} FROM reports WHERE id = ?", (report_id,))
        return _report(row) if row else None

    async def alike(self, report: Report) -> list[Report]:
        """All open reports of the same picture, oldest first."""
        rows = await self._db.rows(
            f"SELECT {_COLUMNS} FROM reports WHERE job_id = ? AND idx = ? AND state = 'open' ORDER BY id",
            (report.job_id, report.idx),
        )
        return [_report(row) for row in rows]

    async def set_message(self, report_id: int, channel_id: int, message_id: int) -> bool:
        """Remember where the moderators' card is. False when there is no such report any more."""
        async with self._db.transaction() as tx:
            cursor = await tx.execute(
                "UPDATE reports SET channel_id = ?, message_id = ? WHERE id = ?",
                (channel_id, message_id, report_id),
            )
        return cursor.rowcount > 0

    async def close(self, report: Report, state: str, tx: Connection | None = None) -> list[Report]:
        """Give all open reports of a picture their end and return them."""
        async with self._db.transaction(tx) as connection:
            rows = await connection.execute_fetchall(
                "UPDATE reports SET state = ? WHERE job_id = ? AND idx = ? AND state = 'open'"
                f" RETURNING {_COLUMNS}",
                (state, report.job_id, report.idx),
            )
        return [_report(row) for row in rows]


def _report(row: sqlite3.Row) -> Report:
    return Report(**dict(row))
