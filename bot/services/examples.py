"""Draws what each style looks like, with the installation's own base, when somebody first looks."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from contextlib import aclosing
from pathlib import Path

from bot.gpu.base import Gpu
from bot.services.styles import Style
from bot.services.wording import fill
from data.files import FileStore
from data.jobs import JobKind, Jobs
from inference.requests import DrawDone, DrawEvent, DrawRequest

logger = logging.getLogger(__name__)

SITTER = "a person with red hair and round glasses"
"""Who stands in every example; the mini model's vocabulary knows such people too."""

_SEED = 7
_LOOK_SECONDS = 5.0


class Examples:
    """Pictures on disk, and a queue of one that waits until nobody's drawing does.

    An example that fails is tried again after the next start.
    """

    def __init__(self, files: FileStore, jobs: Jobs, gpu: Gpu, *, base: str) -> None:
        self._files = files
        self._jobs = jobs
        self._gpu = gpu
        self._base = base
        self._asked: set[str] = set()
        self._wanted: asyncio.Queue[DrawRequest] = asyncio.Queue()

    def picture(self, style: Style) -> Path | None:
        """The example of a style, or None when it is still to be drawn, which is then begun."""
        prompt = fill(style.template, SITTER)
        name = hashlib.sha256(f"{self._base}\n{prompt}".encode()).hexdigest()[:16]
        path = self._files.style_examples / f"{name}.png"
        if path.is_file():
            return path
        if name not in self._asked:
            self._asked.add(name)
            out = self._files.style_examples / f"{name}.incoming"
            self._wanted.put_nowait(
                DrawRequest(
                    id=f"style-{name}", model=self._base, prompt=prompt, count=1, seed=_SEED, out=str(out)
                )
            )
        return None

    async def run(self) -> None:
        """Draw what is wanted until cancelled."""
        while True:
            request = await self._wanted.get()
            try:
                await self._idle()
                await self._draw(request)
            except Exception:  # an example is an ornament
                logger.exception("the example %s could not be drawn", request.id)

    async def _idle(self) -> None:
        """Wait until no drawing of anybody runs or waits."""
        while True:
            if not (await self._jobs.running(JobKind.draw) or await self._jobs.queued(JobKind.draw)):
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _draw(self, request: DrawRequest) -> None:
        out = Path(request.out)
        await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
        last: DrawEvent | None = None
        async with aclosing(self._gpu.draw(request)) as events:
            async for event in events:
                last = event
        if isinstance(last, DrawDone):
            (out / "0.png").rename(out.with_suffix(".png"))
            self._asked.discard(out.stem)
        else:
            logger.warning("the example %s was not drawn: %s", request.id, last)
        await asyncio.to_thread(self._files.remove, out)
