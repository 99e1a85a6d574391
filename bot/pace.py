"""How fast we call Discord: within its global limit, and in each channel the most urgent first.

discord.py waits for the limits of single routes, first come, first served; so few calls at once are handed
to it, and the others wait here, where a result can pass a crowd of waiting cards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import IntEnum

WIDTH = 2
"""Calls of one kind that go on at once in a channel: Discord takes about one a second."""

_PER_SECOND = 40.0
_BURST = 8
"""Together less than the 50 calls in any second that Discord allows a bot."""


class Rank(IntEnum):
    """What goes first in a channel."""

    end = 0
    """Results, how a job ended, and whatever somebody waits for."""
    first = 1
    """The first card of a job."""


class Turn:
    """A call that waits for its turn, or has it."""

    def __init__(self, rank: Rank) -> None:
        self.rank = rank
        self.come = asyncio.Event()

    def hurry(self, rank: Rank) -> None:
        """Something more urgent waits for this call."""
        self.rank = min(self.rank, rank)


class Lane:
    """Calls of one kind to one channel."""

    def __init__(self) -> None:
        self._going = 0
        self._waiting: list[Turn] = []
        self._spare: dict[str, Callable[[], None]] = {}

    @property
    def idle(self) -> bool:
        return not self._going

    def when_idle(self, key: str, then: Callable[[], None]) -> None:
        """Call the newest `then` of each key once nothing goes on here; only one of them will find it so."""
        self._spare[key] = then

    @asynccontextmanager
    async def turn(self, turn: Turn) -> AsyncIterator[None]:
        if self._going < WIDTH:
            self._going += 1
        else:
            self._waiting.append(turn)
            try:
                await turn.come.wait()
            except asyncio.CancelledError:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                else:
                    self._leave()
                raise
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        """Hand the place over to the most urgent one, the oldest of those."""
        if self._waiting:
            turn = min(self._waiting, key=lambda one: one.rank)
            self._waiting.remove(turn)
            turn.come.set()
            return
        self._going -= 1
        if self.idle:
            # All: the first may have nothing to call any more, and then nobody would come for the others.
            spare, self._spare = self._spare, {}
            for then in spare.values():
                then()


class Pace:
    """Discord's global limit, which discord.py learns of only when it was broken."""

    def __init__(
        self,
        per_second: float = _PER_SECOND,
        burst: int = _BURST,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._seconds = 1 / per_second
        self._ahead = burst * self._seconds
        self._clock = clock
        self._sleep = sleep
        self._last = 0.0
        """When the last call is due, at an even pace."""

    async def wait(self) -> None:
        """Return when one more call may go."""
        now = self._clock()
        self._last = max(self._last + self._seconds, now - self._ahead)
        if self._last > now:
            await self._sleep(self._last - now)
