"""The tasks behind exports and publications. The database says what runs, they follow it, over restarts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Protocol

from bot.faults import tell
from bot.services.handover_work import LOST, HandoverWork
from bot.services.refusal import out_of_space
from bot.services.work import MAX_ATTEMPTS
from data.database import Unwritable, until_written
from data.files import FileStore
from data.handovers import Handover, Handovers
from data.ids import row_id
from trainer.handover import Moved

logger = logging.getLogger(__name__)

EDIT_SECONDS = 5.0
"""Least time between two edits of a card while it only moves on."""
KEEP_DAYS = 3
"""How long an exported file, and the record of what ended, are kept."""

_PLACES = 2
"""How many run at once: each reads a whole model."""
_ASKED_SECONDS = 3600.0
_ROUND_SECONDS = 60.0


class HandoverListener(Protocol):
    """The face."""

    async def handover_moved(self, handover_id: int) -> None:
        """It runs; called every few seconds."""

    async def handover_ended(self, handover_id: int) -> None:
        """It ended. Called again later when it raises."""


class HandoverRunner:
    """Start it from a task that outlives it, never from a Discord callback."""

    def __init__(
        self, files: FileStore, handovers: Handovers, work: HandoverWork, listener: HandoverListener
    ) -> None:
        self._files = files
        self._handovers = handovers
        self._work = work
        self._listener = listener
        self._places = asyncio.Semaphore(_PLACES)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._telling: set[int] = set()
        self._moved: dict[int, Moved] = {}

    async def start(self) -> None:
        """Remove what nobody owns any more, and go on with what a stop or a crash interrupted."""
        for folder in await asyncio.to_thread(lambda: list(self._files.handovers.iterdir())):
            number = row_id(folder.name)
            if number is None or await self._handovers.get(number) is None:
                await asyncio.to_thread(self._files.sweep_away, folder)
        self._task = asyncio.create_task(self._run(), name="handovers")

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """What goes on from `start` to `stop`."""
        return [self._task] if self._task is not None else []

    async def stop(self) -> None:
        """Stop the processes; what runs goes on at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def wake(self) -> None:
        """Something began or ended."""
        self._wake.set()

    async def settle(self, handover_id: int) -> None:
        """Stop what works on a handover that runs no longer; its files are then whoever's who asks."""
        task = self._tasks.get(handover_id)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def moved(self, handover_id: int) -> Moved | None:
        """How far it has come; None before it said so."""
        return self._moved.get(handover_id)

    async def _run(self) -> None:
        # All tasks are born here, not where they are asked for: those may be tasks that end soon.
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                try:
                    await self._round(group)
                except Exception:  # the next round tries again
                    logger.exception("exports and publications could not be looked after")
                try:
                    async with asyncio.timeout(_ROUND_SECONDS):
                        await self._wake.wait()
                except TimeoutError:
                    pass

    async def _round(self, group: asyncio.TaskGroup) -> None:
        for handover in await self._handovers.running():
            if handover.id not in self._tasks:
                task = group.create_task(self._carry_out(handover.id), name=f"handover-{handover.id}")
                self._tasks[handover.id] = task
        for handover in await self._handovers.untold():
            if handover.id not in self._telling | self._tasks.keys():
                self._telling.add(handover.id)
                group.create_task(self._tell(handover.id), name=f"tell-handover-{handover.id}")
        now = time.time()
        for handover in await self._handovers.over(
            asked_before=now - _ASKED_SECONDS, ended_before=now - KEEP_DAYS * 24 * 3600.0
        ):
            await self._work.forget(handover)

    async def _carry_out(self, handover_id: int) -> None:
        follower = asyncio.create_task(self._follow(handover_id))
        try:
            async with self._places:
                handover = await until_written(lambda: self._handovers.begin(handover_id))
                if handover is not None:
                    await self._attempt(handover)
        except Exception:  # a later round takes it up again
            logger.exception("handover %d broke off", handover_id)
            return
        finally:
            follower.cancel()
            await asyncio.wait([follower])
            self._moved.pop(handover_id, None)
            del self._tasks[handover_id]
        self._wake.set()  # it is to be told, or taken up again

    async def _attempt(self, handover: Handover) -> None:
        if handover.attempts > MAX_ATTEMPTS:
            await self._work.fail(handover, LOST, f"It was interrupted {MAX_ATTEMPTS} times.")
            return
        try:
            await self._work.run(handover, lambda event: self._moved.update({handover.id: event}))
        except asyncio.CancelledError:
            with contextlib.suppress(Unwritable):  # it then counts as lost
                await self._handovers.pause(handover.id)
            raise
        except Exception as error:
            logger.exception("handover %d broke off", handover.id)
            code = "disk_full" if out_of_space(error) else "internal"
            message = "Something went wrong that is described in the bot's log."
            await self._work.lost_or_failed(handover, code, message)

    async def _follow(self, handover_id: int) -> None:
        while True:
            try:
                await self._listener.handover_moved(handover_id)
            except Exception as error:
                tell(logger, error, f"the card of handover {handover_id} could not be shown")
            await asyncio.sleep(EDIT_SECONDS)

    async def _tell(self, handover_id: int) -> None:
        try:
            await self._listener.handover_ended(handover_id)
            await until_written(lambda: self._handovers.mark_announced(handover_id))
        except Exception as error:
            tell(logger, error, f"the end of handover {handover_id} could not be told yet")
        finally:
            self._telling.discard(handover_id)
