"""One device for two: pictures while a training runs, and what both lose by it.

A real trainer and a real inference server, as the bot starts them.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar

from benchmarks.jobs import make_job
from benchmarks.models import add_model_option, model_of
from benchmarks.report import BenchmarkFailed, Row, percentile
from bot.gpu.local import LocalGpu
from inference.requests import DrawFailed, DrawRequest
from trainer.events import Done, Failed, Progress, TrainEvent
from trainer.presets import recipe_for

T = TypeVar("T")

_WARM_REPORTS = 3
"""Reports of the training that don't count: its first steps choose kernels and capture the graph."""
_ALONE_SECONDS = 15.0


def options(parser: argparse.ArgumentParser) -> None:
    add_model_option(parser)
    parser.add_argument("--steps", type=int, default=25, help="denoising steps a picture")
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--pause", type=float, default=2.0, help="seconds between two pictures")
    parser.add_argument("--method", choices=("full", "lora"), default="full")


def measure(arguments: argparse.Namespace) -> list[Row]:
    return asyncio.run(_Sharing(arguments, model_of(arguments), arguments.room).run())


class _Sharing:
    def __init__(self, arguments: argparse.Namespace, model: Path, root: Path) -> None:
        self._asked = arguments
        self._model = model
        self._root = root
        self._drawn = 0
        self._reports: list[tuple[float, int]] = []
        """Time and step of each of the training's reports."""
        self._reported = asyncio.Condition()

    async def run(self) -> list[Row]:
        recipe = recipe_for(str(self._model), method=self._asked.method).model_copy(
            update={"steps": 20_000, "class_images": 4, "class_image_steps": 2, "preview_every": 0}
        )
        job = make_job(self._root / "job", self._model, recipe, self._root / "pool")
        gpu = LocalGpu(self._root, grace=0)
        try:
            await self._draw(gpu)  # loads the model
            idle = await self._draw_all(gpu)
            async with asyncio.TaskGroup() as group:
                training = group.create_task(self._follow(gpu.train(job)))
                await self._next_reports(_WARM_REPORTS)
                _, alone = await self._beside(asyncio.sleep(_ALONE_SECONDS))
                shared, slowed = await self._beside(self._draw_all(gpu))
                training.cancel()
        finally:
            await gpu.close()
        title = f"one picture of {self._asked.steps} steps"
        return [
            Row(f"{title}, alone, p95", percentile(idle, 0.95)),
            Row(f"{title}, while a training runs, p95", percentile(shared, 0.95)),
            Row(f"{title}, while a training runs, median", statistics.median(shared)),
            Row(f"{title}, times slower at p95", percentile(shared, 0.95) / percentile(idle, 0.95), "x"),
            Row("training step alone", alone),
            Row(f"training step, a picture every {self._asked.pause:g} s and its time", slowed),
            Row("slowdown of the training", 100 * (slowed / alone - 1), "%"),
        ]

    async def _beside(self, work: Awaitable[T]) -> tuple[T, float]:
        """What some work results in, and the training's seconds a step meanwhile."""
        await self._next_reports(1)
        began, first = self._reports[-1]
        result = await work
        await self._next_reports(1)
        ended, last = self._reports[-1]
        return result, (ended - began) / (last - first)

    async def _next_reports(self, count: int) -> None:
        wanted = len(self._reports) + count
        async with self._reported:
            await self._reported.wait_for(lambda: len(self._reports) >= wanted)

    async def _follow(self, training: AsyncGenerator[TrainEvent, None]) -> None:
        async with aclosing(training) as events:
            async for event in events:
                if isinstance(event, Failed | Done):
                    raise BenchmarkFailed(f"the training ended too early: {event}")
                if isinstance(event, Progress):
                    async with self._reported:
                        self._reports.append((time.monotonic(), event.step))
                        self._reported.notify_all()

    async def _draw_all(self, gpu: LocalGpu) -> list[float]:
        seconds = []
        for _ in range(self._asked.pictures):
            seconds.append(await self._draw(gpu))
            await asyncio.sleep(self._asked.pause)
        return seconds

    async def _draw(self, gpu: LocalGpu) -> float:
        self._drawn += 1
        request = DrawRequest(
            id=str(self._drawn), model=str(self._model), prompt="photo of a person", count=1,
            steps=self._asked.steps, seed=self._drawn, out=str(self._root / "pictures"),
        )  # fmt: skip
        began = time.monotonic()
        async for event in gpu.draw(request):
            if isinstance(event, DrawFailed):
                raise BenchmarkFailed(event.message)
        return time.monotonic() - began
