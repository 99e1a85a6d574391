"""What is stored about a person: shown and erased."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol
from weakref import WeakValueDictionary

from aiosqlite import Connection

from data.database import Database, until_written
from data.files import FileStore, size_of
from data.handovers import Whose
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
    to be removed from Discord; `halt` stops exports and publications and says where their files are.
    """

    def __init__(
        self,
        db: Database,
        files: FileStore,
        work: Work,
        halt: Callable[[Whose, int], Awaitable[Sequence[Path]]],
        erased: Callable[[], None] = lambda: None,
    ) -> None:
        self._db = db
        self._files = files
        self._work = work
        self._halt = halt
        self._erased = erased
        self._personal = Personal(db)
        self._turns: WeakValueDictionary[tuple[Subject, int], asyncio.Lock] = WeakValueDictionary()

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
        await self._erase("user", user_id)
        return not self._files.has_left(("user", user_id))

    async def erase_guild(self, guild_id: int) -> None:
        """Remove everything that belongs to a guild."""
        await self._erase("guild", guild_id)

    async def resume(self) -> None:
        """At the start, and from time to time: go on with what a crash or the file system interrupted."""
        await asyncio.to_thread(self._files.discard_left)
        for one in await self._personal.unfinished():
            async with self._turn(*one):
                if one in await self._personal.unfinished():  # whoever was at it may be done meanwhile
                    try:
                        await until_written(partial(self._go_on, *one))
                    except Exception:  # of one; the others are not to wait for it
                        logger.exception("%s %d could not be erased yet", *one)

    async def _erase(self, subject: Subject, subject_id: int) -> None:
        async with self._turn(subject, subject_id):
            await self._personal.begin_erasing(subject, subject_id)
            # Carried through from here on: `resume` would also erase what came later.
            await until_written(lambda: self._go_on(subject, subject_id))

    def _turn(self, subject: Subject, subject_id: int) -> asyncio.Lock:
        return self._turns.setdefault((subject, subject_id), asyncio.Lock())

    async def _go_on(self, subject: Subject, subject_id: int) -> None:
        """Erase whatever is left; may be repeated."""
        column: Whose = "user_id" if subject == "user" else "guild_id"
        owner = "owner_id" if subject == "user" else "guild_id"
        await asyncio.to_thread(self._discard, (subject, subject_id), await self._halt(column, subject_id))
        # Other people's drawings with these models can't be finished either.
        open_jobs = (
            "jobs WHERE state IN ('queued', 'running')"
            f" AND (model_id IN (SELECT id FROM models WHERE {owner} = ?) OR {column} = ?)"
        )
        while True:
            # Until there are none: a training takes a while to stop, and people go on asking.
            while jobs := await self._ids(open_jobs, subject_id, subject_id):
                await self._stop(jobs)
            jobs = await self._ids(f"jobs WHERE {column} = ?", subject_id)
            if len(jobs) <= _AT_ONCE:
                break
            for first in range(0, len(jobs), _AT_ONCE):
                await self._erase_some((subject, subject_id), jobs[first : first + _AT_ONCE])
        models = await self._ids(f"models WHERE {owner} = ?", subject_id)
        drafts = await self._ids(f"drafts WHERE {column} = ?", subject_id)
        async with self._db.transaction() as tx:
            await self._take_down(subject, await self._personal.erase(subject, subject_id, tx), tx)
        await asyncio.to_thread(self._remove_files, (subject, subject_id), jobs, models, drafts)
        self._erased()

    async def _erase_some(self, who: Who, jobs: list[int]) -> None:
        models = await self._ids(f"models WHERE job_id IN ({', '.join('?' * len(jobs))})", *jobs)
        async with self._db.transaction() as tx:
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

    async def _ids(self, which: str, *subject_id: int) -> list[int]:
        return [int(row["id"]) for row in await self._db.rows(f"SELECT id FROM {which}", subject_id)]
