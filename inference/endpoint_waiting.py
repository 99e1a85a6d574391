"""Waiting for an endpoint in sight: how long it takes is told every moment, and it has an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from inference.endpoint_calls import Limits
from inference.errors import EndpointError


class Waiting:
    """A drawing's waits, one after the other, until `over`; all of them take `most` seconds at most.

    `tell` is told the seconds since the first one began, and the reason of the present one. An error's
    patience counts from the turn to its reason.
    """

    def __init__(self, limits: Limits, most: float, tell: Callable[[float, str], None]) -> None:
        self._limits = limits
        self._most = most
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._reason, self._turned = "", 0.0

    def begin(self, reason: str) -> float:
        """Wait from now on, unless that began before; the time of the loop at which it did."""
        if self._since is None or reason != self._reason:
            self._reason, self._turned = reason, self._loop.time()
        if self._since is None:
            self._since = self._turned
        return self._since

    async def pause(self, error: EndpointError) -> None:
        """Wait before the same is asked again. Raises `error` when there is no sense in that, or no time."""
        if error.wait is None:
            raise error
        now, since = self._loop.time(), self.begin(error.reason)
        pause = error.wait if error.reason == "busy" else min(error.wait, self._limits.retry)
        until = min(now + pause, since + self._most, self._turned + error.patience)
        if now >= until:
            raise error
        async with self.told():
            await asyncio.sleep(until - now)

    @asynccontextmanager
    async def told(self) -> AsyncGenerator[None, None]:
        """Say how long is waited already, for as long as this lasts."""
        task = asyncio.create_task(self._count(self._since)) if self._since is not None else None
        try:
            yield
        finally:
            if task is not None:
                task.cancel()  # not awaited: a cancellation of ours that came meanwhile would end here

    def over(self) -> None:
        """What was waited for is there."""
        self._since = None

    async def _count(self, since: float) -> None:
        while True:
            self._tell(self._loop.time() - since, self._reason)
            await asyncio.sleep(self._limits.tick)
