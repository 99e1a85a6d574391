"""Every job that anyone asked for, from the first second to its end."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Required, TypedDict, Unpack

from aiosqlite import Connection

from data.database import Database


class JobKind(StrEnum):
    train = "train"
    draw = "draw"


class Lane(StrEnum):
    """What a job waits for: our own device, or a person's endpoint elsewhere."""

    gpu = "gpu"
    endpoint = "endpoint"


class JobState(StrEnum):
    queued = "queued"
    running = "running"
    done = "done"
    failed = "failed"
    cancelled = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (JobState.done, JobState.failed, JobState.cancelled)


@dataclass(frozen=True, slots=True)
class Job:
    """One job. Times are Unix seconds."""

    id: int
    kind: JobKind
    state: JobState
    user_id: int
    guild_id: int
    channel_id: int
    message_id: int | None
    """The progress card, once it is posted."""
    payload: str
    """JSON of a `trainer.spec.TrainSpec` or a `bot.services.imagining.DrawPayload`."""
    phase: str | None
    step: int
    steps: int
    loss: float | None
    seconds_left: float | None
    error_code: str | None
    error: str | None
    attempts: int
    """How often the work was lost to a crash and queued again."""
    created_at: float
    started_at: float | None
    finished_at: float | None
    model_id: int | None
    consent_at: float | None
    photos: int
    locale: str
    announced: bool
    """Whether everyone who should know was told how it ended."""
    lane: Lane = Lane.gpu
    fruitless: int = 0
    """How many of the attempts were lost since the work last got further."""
    plan: str | None = None
    """JSON of a training's `trainer.events.Plan`, once it has chosen one."""


class Origin(TypedDict):
    """Who asked for a job, and where the answer goes."""

    user_id: int
    guild_id: int
    channel_id: int
    locale: str


class HowFar(TypedDict, total=False):
    """How far a running job is."""

    phase: Required[str | None]
    step: Required[int]
    steps: Required[int]
    loss: float | None
    seconds_left: float | None


_COLUMNS = ", ".join(field.name for field in fields(Job))

# An admin paused this kind of job, for its guild or for the whole installation (guild 0).
_PAUSED = """EXISTS (
    SELECT 1 FROM settings
    WHERE guild_id IN (jobs.guild_id, 0) AND key = 'queue_' || jobs.kind AND value = '"paused"')"""

# Who was served least recently comes first, and everyone's first job before anyone's second. Work that a
# crash interrupted goes on before anything new, and then what an admin moved to the front.
_WAITS = "state = 'queued' AND kind = ? AND lane LIKE ?"
_WAITING = f"SELECT {_COLUMNS} FROM jobs WHERE {_WAITS}"
_FAIR_ORDER = f"""
ORDER BY
    {_PAUSED},
    started_at IS NULL,
    moved_at IS NULL,
    moved_at DESC,
    ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY started_at IS NULL, moved_at IS NULL, id),
    IFNULL((SELECT MAX(past.started_at) FROM jobs AS past
            WHERE past.user_id = jobs.user_id AND past.kind = jobs.kind AND past.lane = jobs.lane), 0),
    id
"""


class Jobs:
    """The job table. Methods that take `tx` join that transaction; the others commit by themselves."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def create(
        self,
        kind: JobKind,
        *,
        payload: str,
        steps: int = 0,
        photos: int = 0,
        model_id: int | None = None,
        consent_at: float | None = None,
        lane: Lane = Lane.gpu,
        tx: Connection | None = None,
        **origin: Unpack[Origin],
    ) -> Job:
        """Queue a new job."""
        values = {
            **origin,
            "kind": kind,
            "payload": payload,
            "steps": steps,
            "photos": photos,
            "model_id": model_id,
            "consent_at": consent_at,
            "lane": lane,
            "created_at": time.time(),
        }
        async with self._db.transaction(tx) as connection:
            rows = await connection.execute_fetchall(
                f"INSERT INTO jobs ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"
                f" RETURNING {_COLUMNS}",
                tuple(values.values()),
            )
        return _job(*rows)

    async def get(self, job_id: int) -> Job | None:
        row = await self._db.row(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (job_id,))
        return _job(row) if row else None

    async def set_message(self, job_id: int, channel_id: int, message_id: int) -> bool:
        """Remember where the job's progress card is. False when there is no such job any more."""
        return await self._update(job_id, channel_id=channel_id, message_id=message_id)

    async def message(self, job_id: int, tx: Connection) -> list[tuple[int, int]]:
        """Channel and id of the job's card, if there is one at this moment of the transaction."""
        rows = await self._db.rows(
            "SELECT channel_id, message_id FROM jobs WHERE id = ? AND message_id IS NOT NULL",
            (job_id,),
            within=tx,
        )
        return [(row["channel_id"], row["message_id"]) for row in rows]

    async def start(self, job_id: int) -> Job | None:
        """queued -> running. None when the job is no longer queued."""
        return await self._move(job_id, ("queued",), state="running", started_at=time.time())

    async def progress(self, job_id: int, **progress: Unpack[HowFar]) -> Job | None:
        """How far a running job is. None when it no longer runs."""
        changes: dict[str, Any] = {"loss": None, "seconds_left": None, **progress}
        return await self._move(job_id, ("running",), **changes)

    async def gained(self, job_id: int, reached: int, tx: Connection | None = None) -> None:
        """So much of a job's work is kept, whatever happens; if that is new, its losses are forgiven."""
        async with self._db.transaction(tx) as connection:
            await connection.execute(
                "UPDATE jobs SET reached = ?, fruitless = 0 WHERE id = ? AND reached < ?",
                (reached, job_id, reached),
            )

    async def set_plan(self, job_id: int, plan: str) -> None:
        """Remember how a training uses its device's memory."""
        await self._update(job_id, plan=plan)

    async def finish(
        self, job_id: int, tx: Connection | None = None, *, lacks: tuple[str, str] | None = None
    ) -> Job | None:
        """running -> done. None when it no longer runs.

        `lacks` are code and message of what kept it from bringing all that was asked for.
        """
        code, message = lacks or (None, None)
        return await self._move(
            job_id,
            ("running",),
            tx=tx,
            state="done",
            finished_at=time.time(),
            seconds_left=None,
            error_code=code,
            error=message,
        )

    async def set_model(self, job_id: int, model_id: int, tx: Connection) -> None:
        """Remember the model that a training made."""
        await tx.execute("UPDATE jobs SET model_id = ? WHERE id = ?", (model_id, job_id))

    async def fail(self, job_id: int, code: str, message: str) -> Job | None:
        """queued or running -> failed. None when the job had ended before."""
        return await self._move(
            job_id,
            ("queued", "running"),
            state="failed",
            finished_at=time.time(),
            seconds_left=None,
            error_code=code,
            error=message,
        )

    async def cancel(self, job_id: int) -> bool:
        """queued or running -> cancelled. False when the job had ended before."""
        moved = await self._move(
            job_id, ("queued", "running"), state="cancelled", finished_at=time.time(), seconds_left=None
        )
        return moved is not None

    async def requeue(self, job_id: int, *, lost: bool) -> Job | None:
        """running -> queued, ahead of new work. `lost` counts an attempt: the work crashed."""
        async with self._db.transaction() as tx:
            await tx.execute(
                "UPDATE jobs SET attempts = attempts + ?, fruitless = fruitless + ?"
                " WHERE id = ? AND state = 'running'",
                (lost, lost, job_id),
            )
            return await self._move(job_id, ("running",), tx=tx, state="queued", seconds_left=None)

    async def change_lane(self, job_id: int, lane: Lane) -> Job | None:
        """running -> queued in another lane, ahead of new work there."""
        return await self._move(job_id, ("running",), state="queued", lane=lane, seconds_left=None)

    async def requeue_running(self) -> list[Job]:
        """After a crash of the bot: all that ran is queued again, and one attempt counted."""
        async with self._db.transaction() as tx:
            rows = await tx.execute_fetchall(
                "UPDATE jobs SET state = 'queued', attempts = attempts + 1, fruitless = fruitless + 1,"
                f" seconds_left = NULL WHERE state = 'running' RETURNING {_COLUMNS}"
            )
        return [_job(row) for row in rows]

    async def queued(self, kind: JobKind, lane: Lane | None = None) -> list[Job]:
        """The queue in the order in which it will be served; of one lane, or of all together."""
        rows = await self._db.rows(_WAITING + _FAIR_ORDER, (kind, lane or "%"))
        return [_job(row) for row in rows]

    async def running(self, kind: JobKind) -> list[Job]:
        rows = await self._db.rows(
            f"SELECT {_COLUMNS} FROM jobs WHERE state = 'running' AND kind = ? ORDER BY started_at", (kind,)
        )
        return [_job(row) for row in rows]

    async def next_fair(
        self,
        kind: JobKind,
        lane: Lane | None = None,
        *,
        besides: Collection[int] = (),
        not_of: Collection[int] = (),
    ) -> Job | None:
        """The job to serve next, or None when nobody waits whose queue is not paused.

        `besides` are jobs that were chosen already, `not_of` people who have their share of the lane.
        """
        row = await self._db.row(
            f"{_WAITING} AND NOT {_PAUSED} AND id NOT IN ({_marks(besides)})"
            f" AND user_id NOT IN ({_marks(not_of)}) {_FAIR_ORDER} LIMIT 1",
            (kind, lane or "%", *besides, *not_of),
        )
        return _job(row) if row else None

    async def move_to_front(self, job_id: int) -> bool:
        """Serve a waiting job before all others. False when it does not wait."""
        return await self._move(job_id, ("queued",), moved_at=time.time()) is not None

    async def place(self, job_id: int) -> int | None:
        """Place in its queue, 1 is next. None when the job is not queued."""
        job = await self.get(job_id)
        if job is None or job.state is not JobState.queued:
            return None
        waiting = f"SELECT id FROM jobs WHERE {_WAITS}{_FAIR_ORDER}"
        order = [int(row[0]) for row in await self._db.rows(waiting, (job.kind, job.lane))]
        return order.index(job_id) + 1 if job_id in order else None

    async def of_user(self, user_id: int, limit: int = 10) -> list[Job]:
        """A person's jobs, newest first."""
        rows = await self._db.rows(
            f"SELECT {_COLUMNS} FROM jobs WHERE user_id = ? ORDER BY id DESC LIMIT ?", (user_id, limit)
        )
        return [_job(row) for row in rows]

    async def active(self, user_id: int, kind: JobKind, tx: Connection | None = None) -> int:
        """How many jobs of a person wait or run."""
        row = await self._db.row(
            "SELECT COUNT(*) FROM jobs WHERE user_id = ? AND kind = ? AND state IN ('queued', 'running')",
            (user_id, kind),
            within=tx,
        )
        return int(row[0]) if row else 0

    async def unannounced(self, since: float = 0) -> list[Job]:
        """Jobs that ended at `since` or later and whose end nobody was told yet, in order."""
        rows = await self._db.rows(
            f"SELECT {_COLUMNS} FROM jobs WHERE announced = 0 AND finished_at >= ?"
            " AND state IN ('done', 'failed', 'cancelled') ORDER BY finished_at",
            (since,),
        )
        return [_job(row) for row in rows]

    async def mark_announced(self, job_id: int) -> None:
        await self._update(job_id, announced=1)

    async def _update(self, job_id: int, **changes: Any) -> bool:
        async with self._db.transaction() as tx:
            cursor = await tx.execute(
                f"UPDATE jobs SET {', '.join(f'{name} = ?' for name in changes)} WHERE id = ?",
                (*changes.values(), job_id),
            )
        return cursor.rowcount > 0

    async def _move(
        self, job_id: int, states: tuple[str, ...], tx: Connection | None = None, **changes: Any
    ) -> Job | None:
        """Change a job only while it is in one of `states`: a late event must not undo its end."""
        async with self._db.transaction(tx) as connection:
            rows = list(
                await connection.execute_fetchall(
                    f"UPDATE jobs SET {', '.join(f'{name} = ?' for name in changes)}"
                    f" WHERE id = ? AND state IN ({', '.join('?' * len(states))})"
                    f" RETURNING {_COLUMNS}",
                    (*changes.values(), job_id, *states),
                )
            )
        return _job(rows[0]) if rows else None


def _marks(values: Collection[int]) -> str:
    return ", ".join("?" * len(values))


def _job(row: sqlite3.Row) -> Job:
    values = dict(row)
    values["kind"] = JobKind(values["kind"])
    values["state"] = JobState(values["state"])
    values["lane"] = Lane(values["lane"])
    values["announced"] = bool(values["announced"])
    return Job(**values)
