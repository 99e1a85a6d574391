"""A scripted Gpu, for paths that the real one can't be made to take: failures, pauses, odd orders.

It draws flat-coloured pictures and emits real events. What can be shown with the mini model is tested
with the mini model.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

from PIL import Image, PngImagePlugin

from inference.bases import MINI
from inference.configuration import CONFIGURATIONS
from inference.requests import DrawDone, DrawEvent, DrawFailed, DrawProgress, DrawRequest, Picture, Ready
from trainer.events import (
    Done,
    Failed,
    LossPlot,
    PhaseProgress,
    Plan,
    Preview,
    Progress,
    Sample,
    Started,
    Strip,
    TrainEvent,
)
from trainer.job import JobFolder
from trainer.spec import TrainSpec

SIZE = 128
PLAN = Plan(
    name="lean",
    method="full",
    precision="bf16",
    optimizer="adamw",
    gradient_checkpointing=True,
    needed_gib=9.8,
    free_gib=15.2,
    notes=("8-bit AdamW can't run here.",),
)
COLOURS = ("#ffd166", "#ef476f", "#06d6a0", "#118ab2")


def write_model(folder: Path) -> None:
    """What the bot looks at of a trained model: the bundled one's configuration."""
    for path in CONFIGURATIONS:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(MINI / path, folder / path)


class ScriptedGpu:
    """Runs at once, or waits at `gate` in the middle of the work while that is not set."""

    batch = 0

    def __init__(self, train_failure: Failed | None = None, draw_failure: str | None = None) -> None:
        self.train_failure = train_failure
        self.draw_failure = draw_failure
        self.gate = asyncio.Event()
        self.gate.set()
        self.drawn: list[DrawRequest] = []
        self.preview = False
        """Whether work leaves pictures of itself in the middle."""
        self.flagged: tuple[int, ...] = ()
        """Drawings that the safety checker hides."""

    async def train(self, job: Path) -> AsyncGenerator[TrainEvent, None]:
        spec = TrainSpec.model_validate_json((job / "job.json").read_text())
        steps = spec.recipe.steps or 100
        yield Started(steps=steps, device="scripted")
        yield PhaseProgress(phase="class_images", done=4, total=8)
        yield PLAN
        if self.preview:
            for event in _watched(JobFolder(job)):
                yield event
        yield Progress(step=steps // 2, steps=steps, loss=0.25, step_seconds=0.1, seconds_left=75)
        await self.gate.wait()
        if self.train_failure is not None:
            yield self.train_failure
            return
        write_model(job / "model")
        (job / "samples").mkdir(exist_ok=True)
        samples = []
        for index in range(spec.recipe.samples):
            path = f"samples/{index}.png"
            paint(job / path, index)
            samples.append(path)
            yield Sample(index=index, path=path, prompt=spec.concepts[0].instance_prompt, seed=index)
        yield Done(
            model="model", samples=tuple(samples), steps=steps, seconds=1, step_seconds=0.1, peak_memory_gib=1
        )

    async def draw(self, request: DrawRequest) -> AsyncGenerator[DrawEvent, None]:
        self.drawn.append(request)
        if self.preview:
            Image.new("RGB", (SIZE, SIZE)).save(Path(request.out) / "preview.jpg")
        yield DrawProgress(id=request.id, step=request.steps // 2, steps=request.steps)
        await self.gate.wait()
        if self.draw_failure is not None:
            yield DrawFailed(id=request.id, code=self.draw_failure, message="Scripted.")
            return
        for index in range(request.count):
            path = Path(request.out) / f"{index}.png"
            paint(path, index)
            yield Picture(
                id=request.id,
                index=index,
                path=str(path),
                seed=request.seed + index,
                width=SIZE,
                height=SIZE,
                flagged=index in self.flagged,
            )
        yield DrawDone(id=request.id, seconds=1)

    async def prepare(self) -> None:
        pass

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        return []

    async def device(self) -> Ready:
        return Ready(device="scripted", memory_gib=1)

    async def close(self) -> None:
        self.gate.set()


class FlakyGpu(ScriptedGpu):
    """Ends as told before it works."""

    def __init__(self, *endings: TrainEvent | Exception) -> None:
        super().__init__()
        self.endings = list(endings)
        self.trained: list[int] = []

    async def train(self, job: Path) -> AsyncGenerator[TrainEvent, None]:
        self.trained.append(int(job.name))
        yield Started(steps=1, device="flaky")
        if self.endings:
            ending = self.endings.pop(0)
            if isinstance(ending, Exception):
                raise ending
            yield ending
            return
        async for event in super().train(job):
            yield event


def _watched(folder: JobFolder) -> list[TrainEvent]:
    """A training at its first quarter: two previews in a row, and the loss."""
    folder.previews.mkdir(exist_ok=True)
    for index, step in enumerate((0, 25)):
        paint(folder.previews / f"{step:05}.png", index)
    paint(folder.strip, 2)
    paint(folder.loss_plot, 3)
    return [
        Preview(step=25, path=str(folder.previews / "00025.png")),
        Strip(path=str(folder.strip)),
        LossPlot(path=str(folder.loss_plot)),
    ]


def paint(path: Path, index: int) -> None:
    """A flat picture with the text chunk that every picture of ours carries."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", f"scripted {index}")
    Image.new("RGB", (SIZE, SIZE), COLOURS[index % len(COLOURS)]).save(path, pnginfo=texts)
