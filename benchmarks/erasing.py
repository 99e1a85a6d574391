"""Somebody with many drawings is erased: how long anybody else who wants to write has to wait meanwhile.

The real database and file store; nothing draws, so no process starts.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

from aiosqlite import Connection

from benchmarks.report import Row, Stopwatch
from bot.services.privacy import Privacy
from data.database import Database
from data.files import FileStore

_PICTURES = 4
_SHARED = 10
"""One of so many drawings is in the gallery, and was voted on."""
_VOTERS = range(100, 103)
_LEAVING, _STAYING = 1, 2


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", type=int, default=10_000, help="drawings of whoever is erased")
    parser.add_argument("--others", type=int, default=20_000, help="drawings of everybody else")


def measure(arguments: argparse.Namespace) -> list[Row]:
    return asyncio.run(_measure(arguments, arguments.room))


async def _measure(arguments: argparse.Namespace, home: Path) -> list[Row]:
    files = FileStore(home)
    db = await Database.open(files.database)
    try:
        await _fill(db, files, _LEAVING, arguments.jobs)
        await _fill(db, files, _STAYING, arguments.others)
        held, waited, whole = Stopwatch(), Stopwatch(), Stopwatch()
        with patch.object(Database, "transaction", _timed(held)):
            writing = asyncio.create_task(_write(db, waited))
            with whole.lap():
                await Privacy(db, files, _Idle(), _nothing).erase_person(_LEAVING)
            writing.cancel()
        (left,) = await db.rows("SELECT COUNT(*) FROM jobs")
    finally:
        await db.close()
    title = f"{arguments.jobs} drawings of {arguments.jobs + arguments.others} erased"
    return [
        Row(f"{title}, the longest time that the database was held", max(held.laps)),
        Row(f"{title}, the longest wait of another writer", max(waited.laps)),
        Row(f"{title}, until all was gone", whole.median),
        Row(f"{title}, drawings of others that are left", left[0], ""),
    ]


class _Idle:
    """No job runs."""

    async def cancel(self, job_id: int) -> bool:
        return False

    async def settled(self, job_id: int) -> None: ...


async def _nothing(*_: object) -> list[Path]:
    return []


def _timed(held: Stopwatch) -> object:
    transaction = Database.transaction

    @asynccontextmanager
    async def timed(db: Database, within: Connection | None = None) -> AsyncGenerator[Connection, None]:
        async with transaction(db, within) as tx:
            with held.lap():
                yield tx

    return timed


async def _write(db: Database, waited: Stopwatch) -> None:
    """What everybody else does meanwhile: small changes, again and again."""
    while True:
        with waited.lap():
            async with db.transaction() as tx:
                await tx.execute("INSERT OR REPLACE INTO notes VALUES ('benchmark', 'now')")
        await asyncio.sleep(0.01)


async def _fill(db: Database, files: FileStore, user: int, jobs: int) -> None:
    """Finished drawings of a person; on disk are only those that will be removed."""
    async with db.transaction() as tx:
        for _ in range(jobs):
            ((job,),) = await tx.execute_fetchall(
                "INSERT INTO jobs"
                " (kind, state, user_id, guild_id, channel_id, message_id, payload, created_at)"
                " VALUES ('draw', 'done', ?, 7, 8, 9, '{}', ?) RETURNING id",
                (user, time.time()),
            )
            await tx.executemany(
                "INSERT INTO pictures (job_id, idx, path, prompt, seed, width, height, created_at)"
                " VALUES (?, ?, 'x.png', 'a cat', 1, 96, 96, 0)",
                [(job, place) for place in range(_PICTURES)],
            )
            if job % _SHARED == 0:
                await _share(job, user, tx)
            if user == _LEAVING:
                files.pictures(job).mkdir()
                (files.pictures(job) / "0.png").write_bytes(b"a picture")


async def _share(job: int, user: int, tx: Connection) -> None:
    ((shared,),) = await tx.execute_fetchall(
        "INSERT INTO shared (guild_id, user_id, job_id, picture_id, prompt, subject, created_at)"
        " SELECT 7, ?, job_id, id, 'a cat', '', 0 FROM pictures WHERE job_id = ? AND idx = 0 RETURNING id",
        (user, job),
    )
    await tx.executemany("INSERT INTO votes VALUES (?, ?, 1)", [(shared, voter) for voter in _VOTERS])
