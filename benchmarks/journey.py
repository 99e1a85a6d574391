"""From `/train` to four samples on disk, phase by phase: a trainer that starts cold, and one that stands by.

The first run also draws the class images, which later ones find in the pool.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from contextlib import aclosing
from pathlib import Path

import torch

from benchmarks.jobs import make_job
from benchmarks.models import add_model_option, model_of
from benchmarks.report import BenchmarkFailed, Row
from bot.gpu.local import LocalGpu
from trainer.events import Done, Failed, PhaseProgress, Started
from trainer.presets import recipe_for

_RUNS = ("pool empty", "cold start", "warm standby")


def options(parser: argparse.ArgumentParser) -> None:
    add_model_option(parser)
    parser.add_argument("--steps", type=int, default=700 if torch.cuda.is_available() else 20)
    parser.add_argument("--method", choices=("full", "lora"), default="full")
    parser.add_argument("--runs", nargs="+", choices=_RUNS, default=_RUNS)
    parser.add_argument("--wait", type=float, default=30.0, help="seconds that the standby may get ready in")


def measure(arguments: argparse.Namespace) -> list[Row]:
    return asyncio.run(_measure(arguments, model_of(arguments), arguments.room))


async def _measure(arguments: argparse.Namespace, model: Path, root: Path) -> list[Row]:
    recipe = recipe_for(str(model), method=arguments.method).model_copy(update={"steps": arguments.steps})
    rows = []
    for title in arguments.runs:
        gpu = LocalGpu(root, standby=str(model))
        try:
            if title == "warm standby":
                await gpu.prepare()
                await asyncio.sleep(arguments.wait)
            job = make_job(root / title.replace(" ", "-"), model, recipe, root / "pool")
            rows += _rows(f"{arguments.steps} steps, {title}", await _phases(gpu, job))
        finally:
            await gpu.close()
    return rows


async def _phases(gpu: LocalGpu, job: Path) -> dict[str, float]:
    """Seconds by phase; `start` is what passes before the trainer says its first word."""
    seconds: dict[str, float] = {}
    phase, since = "start", time.monotonic()
    async with aclosing(gpu.train(job)) as events:
        async for event in events:
            now = time.monotonic()
            if isinstance(event, Failed):
                raise BenchmarkFailed(event.message)
            if isinstance(event, PhaseProgress | Started | Done):
                seconds[phase] = seconds.get(phase, 0.0) + now - since
                phase, since = event.phase if isinstance(event, PhaseProgress) else "train", now
    return seconds


def _rows(title: str, seconds: dict[str, float]) -> list[Row]:
    whole = Row(f"{title}, until the samples are there", sum(seconds.values()))
    return [whole, *(Row(f"{title}: {phase}", took) for phase, took in seconds.items())]
