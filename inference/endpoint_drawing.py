"""One drawing at an endpoint: waits for a start, a call a picture, and never a call twice for one picture."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path

from PIL import Image

from inference.endpoint_answers import picture
from inference.endpoint_calls import Calls, Target
from inference.endpoint_health import Known
from inference.endpoint_waiting import Waiting
from inference.errors import EndpointError
from inference.metadata import Cut, parameters, save_png
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
        return DrawDone(id=request.id, seconds=self._loop.time() - began)

    async def _one(self, index: int) -> None:
        """Draw one picture. Raises EndpointError."""
        path = Path(self._request.out) / f"{index}.png"
        asked = path.with_suffix(".asked")
        size = await asyncio.to_thread(_size_of, path)
        if size is None:
            if await asyncio.to_thread(asked.exists):
                raise EndpointError("endpoint_cut", "The bot was stopped while the endpoint drew.")
            body = await self._ask(index, asked)
            size = await asyncio.to_thread(self._keep, body, path, index)
            self._known.breaker.worked()
        await asyncio.to_thread(asked.unlink, missing_ok=True)
        self._drawn += 1
        seed, (width, height) = self._seed(index), size
        self._emit(
            Picture(id=self._request.id, index=index, path=str(path), seed=seed, width=width, height=height)
        )
        self._progress()

    async def _ask(self, index: int, asked: Path) -> bytes:
        """Call until the endpoint is there to draw. Raises EndpointError."""
        if not self._known.breaker.enter():
            raise EndpointError("endpoint_resting", "The endpoint failed several times and is left alone.")
        while True:
            starting = await self._ready()
            try:
                async with self._turn():
                    body = await self._call(index, asked, starting)
            except EndpointError as error:
                await self._waiting.pause(error)
                self._up = self._up and error.reason == "busy"
            else:
                self._waiting.over()
                return body

    async def _ready(self) -> frozenset[int]:
        """Wait until somebody behind the address is up; returns what a call may hear if nobody is after all.

        Where the proxy says that it has nobody there, the first call goes out all the same: it is what
        certainly wakes a sleeping endpoint, and if the proxy refuses it, nobody drew.
        """
        while not self._up:
            try:
                async with self._waiting.told():
                    await self._calls.look(self._target)
                self._up = True
            except EndpointError as error:
                if error.asleep and not self._knocked:
                    self._knocked = True
                    return frozenset({503})
                await self._waiting.pause(error)
        return frozenset()

    async def _call(self, index: int, asked: Path, starting: frozenset[int]) -> bytes:
        """One picture's bytes. `asked` lies on disk for as long as nobody knows what became of the call."""
        self._progress()
        await asyncio.to_thread(_touch, asked)
        try:
            return await self._calls.draw(self._target, self._payload(index), starting=starting)
        except EndpointError:
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

    def _payload(self, index: int) -> dict[str, object]:
        """A call of Hugging Face's inference container."""
        request = self._request
        values: dict[str, object] = {
            "negative_prompt": request.negative or None,
            "num_inference_steps": request.steps,
            "guidance_scale": request.guidance,
            "seed": self._seed(index),
        }
        side = self._side()
        if side is not None:
            values |= {"width": side, "height": side}
        stated = {name: value for name, value in values.items() if value is not None}
        return {"inputs": request.prompt, "parameters": stated}

    def _keep(self, body: bytes, path: Path, index: int) -> tuple[int, int]:
        """Save the picture, cut to the size that was asked for; returns that size. Blocking."""
        request, side = self._request, self._side()
        image: Image.Image = picture(body, (side, side) if side is not None else None)
        drawn = image.size
        cut = _middle(drawn, (request.width or drawn[0], request.height or drawn[1]))
        if cut is not None:
            image = image.crop((cut.left, cut.top, cut.left + cut.width, cut.top + cut.height))
        # Which sampler the endpoint takes, it does not say.
        save_png(image, path, parameters(request, self._seed(index), drawn, sampler=None, cut=cut))
        return image.size

    def _side(self) -> int | None:
        """The container draws squares alone, by multiples of 8: the smallest that holds what is wanted."""
        request = self._request
        side = max(request.width or 0, request.height or 0)
        return -(-side // 8) * 8 or None

    def _seed(self, index: int) -> int:
        return (self._request.seed + index) % 2**32

    def _tell_waiting(self, seconds: float, reason: str) -> None:
        self._emit(DrawWaiting(id=self._request.id, seconds=seconds, reason=reason))

    def _progress(self) -> None:
        request = self._request
        self._emit(
            DrawProgress(id=request.id, step=self._drawn * request.steps, steps=request.count * request.steps)
        )

    def _end(self, code: str, message: str) -> DrawFailed:
        return DrawFailed(id=self._request.id, code=code, message=message)


def _middle(drawn: tuple[int, int], wanted: tuple[int, int]) -> Cut | None:
    """The middle of a picture, a little above it where height goes: that is where faces are."""
    if drawn == wanted:
        return None
    return Cut(*wanted, left=(drawn[0] - wanted[0]) // 2, top=(drawn[1] - wanted[1]) // 3)


def _touch(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()


def _size_of(path: Path) -> tuple[int, int] | None:
    """The size of a picture that an earlier attempt saved, or None. Blocking."""
    if not path.exists():
        return None
    with Image.open(path) as image:
        return image.size
