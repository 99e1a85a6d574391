"""How long things take on our own device, measured on what was done here lately."""

from __future__ import annotations

import time

from data.database import Database
from data.jobs import Job, JobKind, Jobs, Lane

_MEASURED = 20
"""Jobs that a speed is measured on, newest first."""

# What makes a job long: training steps, or the steps of all pictures of a drawing.
_WORK = """CASE kind
    WHEN 'train' THEN json_extract(payload, '$.recipe.steps')
    ELSE json_extract(payload, '$.steps') * IFNULL(json_extract(payload, '$.count'), 1) END"""


class Estimates:
    """Speeds are seconds for a step with the same base model; None where nothing was measured yet."""

    def __init__(self, db: Database, jobs: Jobs) -> None:
        self._db = db
        self._jobs = jobs

    async def seconds_per_step(self, kind: JobKind, base: str) -> float | None:
        """Of the newest jobs that ended well, everything in them counted."""
        row = await self._db.row(
            "SELECT SUM(seconds) / SUM(work) FROM ("
            f" SELECT finished_at - started_at AS seconds, {_WORK} AS work FROM jobs"
            " WHERE state = 'done' AND lane = 'gpu' AND kind = ? AND attempts = 0"
            " AND json_extract(payload, '$.base') = ?"
            " ORDER BY id DESC LIMIT ?) WHERE work > 0",
            (kind, base, _MEASURED),
        )
        return row[0] if row else None

    async def waits(self, kind: JobKind) -> dict[int, float]:
        """Seconds until each job ends, by its id: for what runs, and for what waits as far as it is known.

        Of the GPU's own queue; what waits for people's endpoints follows no common line.
        """
        takes = await self._takes(kind)
        ends: dict[int, float] = {}
        ahead: float | None = 0.0
        for job in await self._jobs.running(kind):
            if job.lane is not Lane.gpu:
                continue
            left = _left(job, takes.get(job.id))
            if left is not None:
                ends[job.id] = left
            ahead = None if left is None or ahead is None else ahead + left
        for job in await self._jobs.queued(kind, Lane.gpu):
            if ahead is None or job.id not in takes:
                break
            ahead += takes[job.id]
            ends[job.id] = ahead
        return ends

    async def _takes(self, kind: JobKind) -> dict[int, float]:
        """Seconds of work by job, of those that wait or run and whose base was measured."""
        rows = await self._db.rows(
            f"SELECT id, {_WORK} AS work, json_extract(payload, '$.base') AS base FROM jobs"
            " WHERE state IN ('queued', 'running') AND kind = ? AND lane = 'gpu'",
            (kind,),
        )
        speeds = {base: await self.seconds_per_step(kind, base) for base in {row["base"] for row in rows}}
        return {
            row["id"]: speed * row["work"]
            for row in rows
            if (speed := speeds[row["base"]]) is not None and row["work"] is not None
        }


def _left(job: Job, takes: float | None) -> float | None:
    """Seconds until a running job ends, of the `takes` that it takes as a whole."""
    if job.seconds_left is not None or takes is None:
        return job.seconds_left
    return max(0.0, takes - (time.time() - (job.started_at or time.time())))
