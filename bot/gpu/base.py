"""The way to GPU work. Nothing here knows about processes: a second implementation may be anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Protocol

from inference.requests import DrawEvent, DrawRequest, Ready
from trainer.events import TrainEvent


class Gpu(Protocol):
    """Runs training jobs and draws pictures.

    Both calls stream events and end with a final one: `Done`, `Failed` or `Cancelled` for
    training; `DrawDone` or `DrawFailed` for drawing. Closing the generator early (or cancelling
    the task that reads it) stops the work: training writes a checkpoint first, and is gone when
    the close returns.
    """

    @property
    def batch(self) -> int:
        """Pictures that are drawn at once for requests that ask alike, as far as is known; see `Ready`."""
        ...

    def train(self, job: Path) -> AsyncGenerator[TrainEvent, None]:
        """Train the job whose folder holds `job.json`; goes on from a checkpoint when there is one."""
        ...

    def draw(self, request: DrawRequest) -> AsyncGenerator[DrawEvent, None]:
        """Draw one request."""
        ...

    async def prepare(self) -> None:
        """Begin to get ready for the next training, where that is worth its memory.

        The first call comes before any other, from a task that outlives them: what lives long is born in it.
        """
        ...

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """What goes on from the first `prepare` to `close`; one that ends by itself is a defect."""
        ...

    async def device(self) -> Ready:
        """What draws: the device's name and free memory. Waits for it to be up."""
        ...

    async def close(self) -> None:
        """Stop everything and free the device."""
        ...
