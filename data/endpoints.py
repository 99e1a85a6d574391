"""People's inference endpoints, what they cost by our clock, and how long drawings there took."""

from __future__ import annotations

import sqlite3
import statistics
import time
from dataclasses import asdict, dataclass, fields
from typing import Any

from aiosqlite import Connection

from data.database import Database
from data.secrets import Scope

_MEASURED = 20
"""Drawings that the usual time is taken from, newest first."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint, of a person or of a guild. Its token lies in the vault, purpose `endpoint`."""

    id: int
    scope: Scope
    scope_id: int
    url: str
    """Empty while a new one is being set up at Hugging Face."""
    repository: str | None
    trigger: str
    """What a prompt says to mean the subject of its model; empty where it knows nobody."""
    model_id: int | None
    """The model of ours that it draws with, or did until that was deleted: no other gets its id."""
    account: str
    """Who pays: the account of the token."""
    daily_pictures: int | None
    """Pictures in 24 hours, of everybody together; None sets no limit."""
    wait_seconds: int
    """How long a start may be waited for."""
    name: str | None
    """Set where it was deployed from here: its name in the account."""
    price_per_hour: float | None
    """US dollars."""
    created_at: float
    """Unix seconds."""


_COLUMNS = ", ".join(field.name for field in fields(Endpoint))


class Endpoints:
    """The endpoint tables. Methods that take `tx` join that transaction; the others commit by themselves."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def put(
        self,
        scope: Scope,
        scope_id: int,
        *,
        url: str,
        account: str,
        wait_seconds: int,
        repository: str | None = None,
        trigger: str = "",
        model_id: int | None = None,
        daily_pictures: int | None = None,
        name: str | None = None,
        price_per_hour: float | None = None,
        tx: Connection | None = None,
    ) -> Endpoint:
        """Record the endpoint of a person or guild, in place of any former one."""
        values: dict[str, Any] = {
            "scope": scope,
            "scope_id": scope_id,
            "url": url,
            "repository": repository,
            "trigger": trigger,
            "model_id": model_id,
            "account": account,
            "daily_pictures": daily_pictures,
            "wait_seconds": wait_seconds,
            "name": name,
            "price_per_hour": price_per_hour,
            "created_at": time.time(),
        }
        async with self._db.transaction(tx) as connection:
            await self.delete(scope, scope_id, connection)
            rows = await connection.execute_fetchall(
                f"INSERT INTO endpoints ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"
                f" RETURNING {_COLUMNS}",
                tuple(values.values()),
            )
            (endpoint,) = (_endpoint(row) for row in rows)
            if name is not None:
                await self.run_began(endpoint.id, connection)
        return endpoint

    async def put_back(self, former: Endpoint, tx: Connection) -> None:
        """Record an endpoint as it was before another one took its place and was deleted."""
        values = asdict(former)
        await tx.execute(
            f"INSERT INTO endpoints ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
            tuple(values.values()),
        )

    async def of(self, scope: Scope, scope_id: int) -> Endpoint | None:
        row = await self._db.row(
            f"SELECT {_COLUMNS} FROM endpoints WHERE scope = ? AND scope_id = ?", (scope, scope_id)
        )
        return _endpoint(row) if row else None

    async def that_drew(self, job_id: int) -> Endpoint | None:
        """The endpoint that was asked for a drawing; None when none was, or when it is gone."""
        row = await self._db.row(
            f"SELECT {_COLUMNS} FROM endpoints"
            " WHERE id = (SELECT endpoint_id FROM draw_times WHERE job_id = ?)",
            (job_id,),
        )
        return _endpoint(row) if row else None

    async def set_url(self, endpoint_id: int, url: str) -> None:
        """Hugging Face gives a new endpoint its address only after a while."""
        async with self._db.transaction() as tx:
            await tx.execute("UPDATE endpoints SET url = ? WHERE id = ?", (url, endpoint_id))

    async def delete(self, scope: Scope, scope_id: int, tx: Connection | None = None) -> bool:
        """Forget an endpoint. False when there was none."""
        async with self._db.transaction(tx) as connection:
            cursor = await connection.execute(
                "DELETE FROM endpoints WHERE scope = ? AND scope_id = ?", (scope, scope_id)
            )
        return cursor.rowcount > 0

    async def run_began(self, endpoint_id: int, tx: Connection | None = None) -> None:
        """A deployed endpoint was told to run; told twice counts once."""
        async with self._db.transaction(tx) as connection:
            await connection.execute(
                "INSERT INTO endpoint_runs (endpoint_id, started_at) SELECT ?, ? WHERE NOT EXISTS"
                " (SELECT 1 FROM endpoint_runs WHERE endpoint_id = ? AND stopped_at IS NULL)",
                (endpoint_id, time.time(), endpoint_id),
            )

    async def run_ended(self, endpoint_id: int) -> None:
        """A deployed endpoint was told to stop."""
        async with self._db.transaction() as tx:
            await tx.execute(
                "UPDATE endpoint_runs SET stopped_at = ? WHERE endpoint_id = ? AND stopped_at IS NULL",
                (time.time(), endpoint_id),
            )

    async def seconds_run(self, endpoint_id: int) -> float:
        """How long a deployed endpoint was told to run, until now."""
        row = await self._db.row(
            "SELECT SUM(IFNULL(stopped_at, ?) - started_at) FROM endpoint_runs WHERE endpoint_id = ?",
            (time.time(), endpoint_id),
        )
        return float(row[0] or 0) if row else 0.0

    async def draw_began(
        self, job_id: int, endpoint_id: int, pictures: int, steps: int, tx: Connection
    ) -> None:
        """An endpoint is about to be asked for pictures; a job that goes on after a crash counts once."""
        await tx.execute(
            "INSERT OR REPLACE INTO draw_times (job_id, endpoint_id, pictures, steps, started_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (job_id, endpoint_id, pictures, steps, time.time()),
        )

    async def draw_ended(self, job_id: int, pictures: int, seconds: float | None) -> None:
        """How many pictures came, and in which time when all did."""
        async with self._db.transaction() as tx:
            await tx.execute(
                "UPDATE draw_times SET pictures = ?, seconds = ? WHERE job_id = ?",
                (pictures, seconds, job_id),
            )

    async def usual_seconds(self, endpoint_id: int) -> float | None:
        """The median of what its last drawings took, starts included; None before the first."""
        rows = await self._db.rows(
            "SELECT seconds FROM draw_times WHERE endpoint_id = ? AND seconds IS NOT NULL"
            " ORDER BY started_at DESC LIMIT ?",
            (endpoint_id, _MEASURED),
        )
        return statistics.median(row[0] for row in rows) if rows else None

    async def pictures_since(
        self, endpoint_id: int, since: float, besides: int = 0, tx: Connection | None = None
    ) -> int:
        """Pictures that it drew, or draws now, since a time; `besides` is a job that does not count."""
        row = await self._db.row(
            "SELECT SUM(pictures) FROM draw_times WHERE endpoint_id = ? AND started_at > ? AND job_id != ?",
            (endpoint_id, since, besides),
            within=tx,
        )
        return int(row[0] or 0) if row else 0


def _endpoint(row: sqlite3.Row) -> Endpoint:
    return Endpoint(**dict(row))
