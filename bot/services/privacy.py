"""What is stored about a person: shown and erased."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol
from weakref import WeakValueDictionary

from aiosqlite import Connection

from data.database import Database, until_written
from data.files import FileStore, size_of
from data.handovers import OPEN
from data.personal import Personal, Subject

logger = logging.getLogger(__name__)

_AT_ONCE = 50
"""Jobs that are erased in one transaction: whoever else wants to write waits as long."""

_LISTED = ("jobs", "models")

Who = tuple[Subject, int]
"""Whom erased files belonged to, as `FileStore` is told."""


class Work(Protocol):
    """What runs the jobs."""

    async def cancel(self, job_id: int) -> bool:
        """Stop a job that waits or runs."""

    async def settled(self, job_id: int) -> None:
        """Wait until nothing works on a job any more."""


@dataclass(frozen=True, slots=True)
class Held:
    """How much of a kind there is, and its bytes on disk."""

    count: int
    size: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """What is stored about a person."""

    jobs: Held
    models: Held
    pictures: Held
    photos: Held
    """Folders of trainings that still hold photos."""
    others: dict[str, int]
    """Rows of every other table, where there are any."""


class Privacy:
    """Erasing goes in steps, each of them one transaction for the rows, then the files.

    Files that can't be removed then hold up nothing, and are tried again by `resume`. After a crash the next
    start removes folders without a row, and `resume` erases the rest. `erased` is called when messages wait
    to be removed from Discord; `halt` stops what exports or publishes a model, and says where its
    files are.
    """

    def __init__(
        self,
        db: Database,
        files: FileStore,
        work: Work,
        halt: Callable[[int], Awaitable[Sequence[Path]]],
        erased: Callable[[], None] = lambda: None,
    ) -> None:
        self._db = db
        self._files = files
        self._work = work
        self._halt = halt
        self._erased = erased
        self._personal = Personal(db)
        self._turns: WeakValueDictionary[Who, asyncio.Lock] = WeakValueDictionary()

    async def summary(self, user_id: int) -> Summary:
        """Counts and sizes of everything that is stored about a person."""
        counts = await self._personal.counts("user", user_id)
        trainings = await self._ids("jobs WHERE user_id = ? AND kind = 'train'", user_id)
        models = [self._files.model(model) for model in await self._ids("models WHERE owner_id = ?", user_id)]
        drawn = await self._db.rows(
            "SELECT path FROM pictures WHERE deleted_at IS NULL"
            " AND job_id IN (SELECT id FROM jobs WHERE user_id = ?)",
            (user_id,),
        )
        pictures = [self._files.absolute(row["path"]) for row in drawn]
        photos = [self._files.job(job) for job in trainings]
        model_size, picture_size, photo_size = await asyncio.to_thread(
            lambda: [sum(map(size_of, paths)) for paths in (models, pictures, photos)]
        )
        return Summary(
            jobs=Held(counts["jobs"]),
            models=Held(len(models), model_size),
            pictures=Held(len(pictures), picture_size),
            photos=Held(await asyncio.to_thread(lambda: sum(path.is_dir() for path in photos)), photo_size),
            others={name: count for name, count in counts.items() if count and name not in _LISTED},
        )

    async def erase_photos(self, user_id: int) -> tuple[int, bool]:
        """Remove the photos of all trainings, and stop those that still need them.

        Returns how many had any, and whether all is gone: False as for `erase_person`.
        """
        who: Who = ("user", user_id)
        rows = await self._db.rows("SELECT id FROM jobs WHERE user_id = ? AND kind = 'train'", (user_id,))
        jobs = [int(row["id"]) for row in rows]
        with_photos = [job for job in jobs if await asyncio.to_thread(self._files.job(job).is_dir)]
        await self._stop(with_photos)
        await asyncio.to_thread(self._discard, who, map(self._files.job, with_photos))
        for draft in await self._ids("drafts WHERE user_id = ?", user_id):
            async with self._db.transaction() as tx:
                await tx.execute("DELETE FROM drafts WHERE id = ?", (draft,))
            await asyncio.to_thread(self._files.discard, self._files.draft(draft), who)
        return len(with_photos), not self._files.has_left(who)

    async def erase_person(self, user_id: int) -> bool:
        """Remove everything that belongs to a person, here and, as far as Discord allows, there.

        False where files of theirs are left that could not be removed so far.
        """
        who: Who = ("user", user_id)
        async with self._turn(who):
            await self._personal.begin_erasing(user_id)
            # Carried through from here on, with what is asked for meanwhile.
            await until_written(lambda: self._go_on(who))
        return not self._files.has_left(who)

    async def erase_guild(self, guild_id: int) -> bool:
        """Remove everything that belongs to a guild that the bot left. False where it came back meanwhile."""
        who: Who = ("guild", guild_id)
        async with self._turn(who):
            return await until_written(lambda: self._go_on(who))

    async def resume(self) -> None:
        """At the start, and from time to time: go on with what a crash or the file system interrupted.

        What a person made since they asked stays.
        """
        await asyncio.to_thread(self._files.discard_left)
        for user_id, asked_at in await self._personal.unfinished():
            who: Who = ("user", user_id)
            async with self._turn(who):
                try:
                    await until_written(partial(self._go_on, who, asked_at))
                except Exception:  # of one; the others are not to wait for it
                    logger.exception("%s %d could not be erased yet", *who)

    def _turn(self, who: Who) -> asyncio.Lock:
        return self._turns.setdefault(who, asyncio.Lock())

    async def _go_on(self, who: Who, before: float = math.inf) -> bool:
        """Erase whatever is left and was made before a time; may be repeated.

        False where nothing is to be erased (any more).
        """
        subject, subject_id = who
        column, owner = ("user_id", "owner_id") if subject == "user" else ("guild_id", "guild_id")
        of_theirs = f"{column} = ? AND created_at <= ?"
        models = f"models WHERE {owner} = ? AND (SELECT created_at FROM jobs WHERE id = job_id) <= ?"
        # Other people's drawings with these models can't be finished either.
        open_jobs = (
            "jobs WHERE state IN ('queued', 'running')"
            f" AND (model_id IN (SELECT id FROM {models}) OR {of_theirs})"
        )
        open_handovers = f"handovers WHERE {OPEN} AND model_id IN (SELECT id FROM {models})"
        bounds = (subject_id, before)
        while await self._personal.leaves(*who):
            for model in await self._ids(models, *bounds):
                await asyncio.to_thread(self._discard, who, await self._halt(model))
            # Until there are none: a training takes a while to stop, and people go on asking.
            if running := await self._ids(open_jobs, *bounds, *bounds):
                await self._stop(running)
                continue
            jobs = await self._ids(f"jobs WHERE {of_theirs}", *bounds)
            if len(jobs) > _AT_ONCE:
                for first in range(0, len(jobs), _AT_ONCE):
                    await self._erase_some(who, jobs[first : first + _AT_ONCE])
                continue
            async with self._db.transaction() as tx:
                if not await self._personal.leaves(*who, tx):
                    break
                # Again: whatever ended or began while exports stopped, or this waited for its turn.
                if await self._ids(open_jobs, *bounds, *bounds, within=tx):
                    continue
                if await self._ids(open_handovers, *bounds, within=tx):
                    continue
                jobs = await self._ids(f"jobs WHERE {of_theirs}", *bounds, within=tx)
                made = await self._ids(models, *bounds, within=tx)
                drafts = await self._ids(f"drafts WHERE {of_theirs}", *bounds, within=tx)
                shown = await self._personal.erase(*who, tx, before=before)
                await self._take_down(subject, shown, tx)
            await asyncio.to_thread(self._remove_files, who, jobs, made, drafts)
            self._erased()
            return True
        return False

    async def _erase_some(self, who: Who, jobs: list[int]) -> None:
        models = await self._ids(f"models WHERE job_id IN ({', '.join('?' * len(jobs))})", *jobs)
        async with self._db.transaction() as tx:
            if not await self._personal.leaves(*who, tx):
                return
            await self._take_down(who[0], await self._personal.erase_jobs(jobs, tx), tx)
        await asyncio.to_thread(self._remove_files, who, jobs, models)

    async def _take_down(self, subject: Subject, shown: list[tuple[int, int]], tx: Connection) -> None:
        if subject == "user":  # a guild's messages are out of reach once the bot has left
            await self._personal.take_down(shown, tx)

    def _remove_files(
        self, who: Who, jobs: Iterable[int], models: Iterable[int], drafts: Iterable[int] = ()
    ) -> None:
        for job in jobs:
            # The second log is what `data.disk.shorten` may have put beside the first.
            logs = [self._files.logs / f"training-{job}.log{end}" for end in ("", ".1")]
            self._discard(who, [self._files.job(job), self._files.pictures(job), *logs])
        self._discard(who, [*map(self._files.draft, drafts), *map(self._files.model, models)])

    def _discard(self, who: Who, paths: Iterable[Path]) -> None:
        for path in paths:
            self._files.discard(path, who)

    async def _stop(self, jobs: Iterable[int]) -> None:
        for job in jobs:
            await self._work.cancel(job)
        for job in jobs:
            await self._work.settled(job)

    async def _ids(self, which: str, *values: float, within: Connection | None = None) -> list[int]:
        rows = await self._db.rows(f"SELECT id FROM {which}", values, within=within)
        return [int(row["id"]) for row in rows]
