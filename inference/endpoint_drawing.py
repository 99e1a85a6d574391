"""One drawing at an endpoint: waits for a start, a call a picture, and never a call twice for one picture."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path

from data.errors import is_disk_full
from inference.endpoint_calls import Calls, Target
from inference.endpoint_health import Known
from inference.endpoint_pictures import keep, mark_of, payload, seed_of, size_of
from inference.endpoint_waiting import Waiting
from inference.errors import EndpointError
from inference.requests import (
    DrawDone,
    DrawEvent,
    DrawFailed,
    DrawProgress,
    DrawRequest,
    DrawWaiting,
    Picture,
)


class Drawing:
    """The life of one `DrawRequest`. Its pictures take turns with those of other drawings, one by one.

    Asking for health costs nothing, so that is repeated until the endpoint is up. A call that may have been
    drawn is not: neither here, nor after a restart that found it under way.
    """

    def __init__(
        self,
        calls: Calls,
        target: Target,
        request: DrawRequest,
        known: Known,
        emit: Callable[[DrawEvent], None],
    ) -> None:
        self._calls = calls
        self._target = target
        self._request = request
        self._known = known
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._waiting = Waiting(calls.limits, target.wait_seconds, self._tell_waiting)
        self._drawn = 0
        self._up = False
        self._failures: int | None = None
        """Of everybody's calls, when this drawing last saw whether it may call."""
        self._knocked = False

    async def run(self) -> DrawDone | DrawFailed:
        """Draw everything; after a failure no further picture is asked for."""
        request, began = self._request, self._loop.time()
        if request.init is not None:
            return self._end("endpoint_no_init", "The endpoint can't start from a picture.")
        self._progress()
        for index in range(request.count):
            try:
                await self._one(index)
            except EndpointError as error:
                if error.sick:
                    self._known.breaker.failed()
                return self._end(error.code, error.message)
            except OSError as error:
                if not is_disk_full(error):
                    raise
                return self._end("disk_full", "The disk is full.")
        return DrawDone(id=request.id, seconds=self._loop.time() - began)

    async def _one(self, index: int) -> None:
        """Draw one picture. Raises EndpointError."""
        path = Path(self._request.out) / f"{index}.png"
        asked = mark_of(path)
        size = await asyncio.to_thread(size_of, path)
        if size is None:
            if await asyncio.to_thread(asked.exists):
                raise EndpointError("endpoint_cut", "An earlier call for this picture broke off.")
            body = await self._ask(index, asked)
            size = await asyncio.to_thread(keep, body, path, self._request, index)
            self._known.breaker.worked()
        await asyncio.to_thread(asked.unlink, missing_ok=True)
        self._drawn += 1
        seed, (width, height) = seed_of(self._request, index), size
        self._emit(
            Picture(id=self._request.id, index=index, path=str(path), seed=seed, width=width, height=height)
        )
        self._progress()

    async def _ask(self, index: int, asked: Path) -> bytes:
        """Call until the endpoint is there to draw. Raises EndpointError."""
        while True:
            starting = await self._ready()
            try:
                async with self._turn():
                    if self._failures != self._known.breaker.total:
                        continue  # it failed somebody while this one waited, and may have died of it
                    body = await self._call(index, asked, starting)
            except EndpointError as error:
                await self._waiting.pause(error)
                self._up = self._up and error.reason == "busy"
            else:
                self._waiting.over()
                return body

    async def _ready(self) -> frozenset[int]:
        """Wait until somebody behind the address is up; returns what a call may hear if nobody is after all.

        Where the proxy says that it has nobody there, the first call goes out all the same, at once or not
        at all: it is what certainly wakes a sleeping endpoint, and if the proxy refuses it, nobody drew.
        """
        breaker = self._known.breaker
        if self._failures != breaker.total:
            if not breaker.enter():
                raise EndpointError(
                    "endpoint_resting", "The endpoint failed several times and is left alone."
                )
            self._failures, self._up = breaker.total, False
        while not self._up:
            try:
                async with self._waiting.told():
                    await self._calls.look(self._target)
                self._up = True
            except EndpointError as error:
                if error.asleep and not self._knocked and not self._known.turns.locked():
                    self._knocked = True
                    return frozenset({503})
                await self._waiting.pause(error)
        return frozenset()

    async def _call(self, index: int, asked: Path, starting: frozenset[int]) -> bytes:
        """One picture's bytes. `asked` lies on disk from before the call on, and goes only if nothing was
        drawn: a job whose end a crash kept from being written runs again.
        """
        self._progress()
        await asyncio.to_thread(_touch, asked)
        try:
            return await self._calls.draw(self._target, payload(self._request, index), starting=starting)
        except EndpointError as error:
            if error.wait is not None:
                await asyncio.to_thread(asked.unlink, missing_ok=True)
            raise

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None, None]:
        """This drawing's turn, from which a call's time runs. Who has no picture yet hears what it takes."""
        queue = Waiting(self._calls.limits, inf, self._tell_waiting)
        if self._known.turns.locked() and self._drawn == 0:
            queue.begin("busy")
        async with queue.told():
            await self._known.turns.acquire()
        try:
            yield
        finally:
            self._known.turns.release()

    def _tell_waiting(self, seconds: float, reason: str) -> None:
        self._emit(DrawWaiting(id=self._request.id, seconds=seconds, reason=reason))

    def _progress(self) -> None:
        request = self._request
        self._emit(
            DrawProgress(id=request.id, step=self._drawn * request.steps, steps=request.count * request.steps)
        )

    def _end(self, code: str, message: str) -> DrawFailed:
        return DrawFailed(id=self._request.id, code=code, message=message)


def _touch(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
