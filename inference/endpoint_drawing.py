"""One drawing at an endpoint: a call a picture, waits for a start, and never a call twice for one picture."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from inference.endpoint_answers import picture
from inference.endpoint_health import Breaker
from inference.errors import EndpointError
from inference.metadata import parameters, save_png
from inference.requests import (
    DrawDone,
    DrawEvent,
    DrawFailed,
    DrawProgress,
    DrawRequest,
    DrawWaiting,
    Picture,
)

if TYPE_CHECKING:
    from inference.endpoint import EndpointClient, Target

_UNREACHABLE_TRIES = 3
_NOTICE_SECONDS = 2.0
"""A call that a proxy would have refused by now was let through."""


class Drawing:
    """The life of one `DrawRequest`. Its first picture is asked for alone: it finds out what is wrong."""

    def __init__(
        self,
        client: EndpointClient,
        target: Target,
        request: DrawRequest,
        calls: asyncio.Semaphore,
        breaker: Breaker,
        emit: Callable[[DrawEvent], None],
    ) -> None:
        self._client = client
        self._target = target
        self._request = request
        self._calls = calls
        self._breaker = breaker
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._drawn = 0
        self._failed: EndpointError | None = None
        self._waits_since: float | None = None
        self._unreachable = 0

    async def run(self) -> DrawDone | DrawFailed:
        """Draw everything; after a failure no further picture is asked for, but those under way arrive."""
        request, began = self._request, self._loop.time()
        if request.init is not None:
            return self._end("endpoint_no_init", "The endpoint can't start from a picture.")
        self._progress()
        await self._one(0)
        others = (self._one(index) for index in range(1, request.count))
        for error in await asyncio.gather(*others, return_exceptions=True):
            if error is not None:
                raise error
        if self._failed is not None:
            return self._end(self._failed.code, self._failed.message)
        return DrawDone(id=request.id, seconds=self._loop.time() - began)

    async def _one(self, index: int) -> None:
        """Draw one picture, or remember why that failed."""
        path = Path(self._request.out) / f"{index}.png"
        try:
            size = await asyncio.to_thread(_size_of, path)
            if size is None:
                async with self._calls:
                    if self._failed is not None:
                        return
                    body = await self._ask(index)
                size = await asyncio.to_thread(self._keep, body, path, index)
                self._breaker.worked()
        except EndpointError as error:
            self._failed = self._failed or error
            if error.sick:
                self._breaker.failed()
            return
        self._drawn += 1
        seed, (width, height) = self._seed(index), size
        self._emit(
            Picture(id=self._request.id, index=index, path=str(path), seed=seed, width=width, height=height)
        )
        self._progress()

    async def _ask(self, index: int) -> bytes:
        """Call until the endpoint is there to draw. Raises EndpointError."""
        payload = self._payload(index)
        if not self._breaker.enter():
            raise EndpointError("endpoint_resting", "The endpoint failed several times and is left alone.")
        while True:
            try:
                async with self._counting():
                    body = await self._client.call(self._target, payload, untouched=self._drawn == 0)
            except EndpointError as error:
                await self._wait(error)
            else:
                self._waits_since = None
                return body

    async def _wait(self, error: EndpointError) -> None:
        """Wait before the same call again. Raises `error` when there is no sense in that, or no time left."""
        if error.wait is None:
            raise error
        if error.reason == "unreachable":
            self._unreachable += 1
            if self._unreachable >= _UNREACHABLE_TRIES:
                raise error
        now = self._loop.time()
        since = self._waits_since = self._waits_since or now
        pause = error.wait if error.reason == "busy" else min(error.wait, self._client.limits.retry)
        until = min(now + pause, since + self._target.wait_seconds)
        if now >= until:
            raise error
        while (now := self._loop.time()) < until:
            self._emit(DrawWaiting(id=self._request.id, seconds=now - since, reason=error.reason))
            await asyncio.sleep(min(self._client.limits.tick, until - now))

    @asynccontextmanager
    async def _counting(self) -> AsyncGenerator[None, None]:
        """While the endpoint starts, say how long; once a call is no longer refused, that it draws."""

        async def count(since: float) -> None:
            limits = self._client.limits
            until = self._loop.time() + limits.hold + _NOTICE_SECONDS
            while (now := self._loop.time()) < until:
                self._emit(DrawWaiting(id=self._request.id, seconds=now - since, reason="starting"))
                await asyncio.sleep(limits.tick)
            self._progress()

        task = asyncio.create_task(count(self._waits_since)) if self._waits_since is not None else None
        try:
            yield
        finally:
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

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
        wanted = (request.width or image.width, request.height or image.height)
        if image.size != wanted:
            image = _cut(image, wanted)
        save_png(image, path, parameters(request, self._seed(index), image.size))
        return image.size

    def _side(self) -> int | None:
        """The container draws squares alone, by multiples of 8: the smallest that holds what is wanted."""
        request = self._request
        side = max(request.width or 0, request.height or 0)
        return -(-side // 8) * 8 or None

    def _seed(self, index: int) -> int:
        return (self._request.seed + index) % 2**32

    def _progress(self) -> None:
        request = self._request
        self._emit(
            DrawProgress(id=request.id, step=self._drawn * request.steps, steps=request.count * request.steps)
        )

    def _end(self, code: str, message: str) -> DrawFailed:
        return DrawFailed(id=self._request.id, code=code, message=message)


def _cut(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of a picture, a little above it where height goes: that is where faces are."""
    left = (image.width - size[0]) // 2
    top = (image.height - size[1]) // 3
    return image.crop((left, top, left + size[0], top + size[1]))


def _size_of(path: Path) -> tuple[int, int] | None:
    """The size of a picture that an earlier attempt saved, or None. Blocking."""
    if not path.exists():
        return None
    with Image.open(path) as image:
        return image.size
