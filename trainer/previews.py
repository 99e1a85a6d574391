"""One prompt and seed drawn again and again while training, so that everybody sees what it has learned."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import BaseModel

from data.disk import if_there_is_room
from inference.denoiser import Denoiser
from inference.metadata import save_png
from inference.model import Model
from inference.sampler import Brush, draw
from trainer.charts import draw_strip
from trainer.compiling import uncompiled
from trainer.dreambooth import DreamBooth, LatentSet, encode
from trainer.events import Preview, Strip
from trainer.job import JobFolder
from trainer.likeness import Likeness, has_peaked
from trainer.spec import TrainSpec

_MEASURED = 4
"""Pictures of each concept that likeness is measured on: one alone says too little."""
_MEASURES = 12
"""How often likeness is measured in a whole run that asks nothing else."""


class Previews:
    """Draws previews at their steps. A preview shows each concept's instance prompt, one above the other."""

    def __init__(
        self, folder: JobFolder, spec: TrainSpec, model: Model, steps: int, emit: Callable[[BaseModel], None]
    ) -> None:
        self._folder = folder
        self._recipe = spec.recipe
        self._prompts = [concept.instance_prompt for concept in spec.concepts]
        self._model = model
        self._steps = steps
        self._emit = emit
        self._quarters = [steps * part // 4 for part in range(5)]
        every = self._recipe.preview_every
        if every is None and self._recipe.early_stop:
            every = max(1, steps // _MEASURES)
        self._every = every

    @cached_property
    def _predict(self) -> Denoiser:
        return Denoiser(self._model)

    def file(self, step: int) -> Path:
        return self._folder.previews / f"{step:05}.png"

    def due(self, step: int) -> bool:
        """Before and after are always drawn: their difference tells whether anything was learned."""
        if step in (0, self._steps):
            return True
        if self._every == 0:
            return False
        return step in self._quarters or (self._every is not None and step % self._every == 0)

    def draw(self, step: int, check_stop: Callable[[], None]) -> list[Image.Image]:
        """Draw, save and tell the preview of a step, and return all its pictures."""
        count = _MEASURED if self._recipe.early_stop else 1
        prompts = self._prompts * count
        seeds = [self._recipe.seed + number for number in range(count) for _ in self._prompts]
        model = self._model
        brush = Brush(self._recipe.preview_steps, self._recipe.guidance, model.resolution, model.resolution)
        negatives = [""] * len(prompts)
        drawn = draw(model, prompts, negatives, seeds, brush, lambda _: check_stop(), predict=self._predict)
        pictures = [*drawn]
        with if_there_is_room(f"the preview at step {step}"):
            save_png(_column(pictures[: len(self._prompts)]), self.file(step), "\n".join(self._prompts))
        return pictures

    def tell(self, step: int, likeness: float | None, last: bool) -> None:
        """Announce a preview and the strip so far, unless only the two for comparison are drawn."""
        if self._every == 0 or not self.file(step).exists():
            return
        self._emit(Preview(step=step, path=str(self.file(step)), likeness=likeness))
        marks = sorted({*self._quarters, *([step] if last else [])})
        shown = [mark for mark in marks if mark <= step and self.file(mark).exists()]
        if step in shown and len(shown) > 1:
            labels = [(f"{100 * mark // self._steps}%", self.file(mark)) for mark in shown]
            with if_there_is_room("the strip of previews"):
                draw_strip(labels, self._folder.strip)
                self._emit(Strip(path=str(self._folder.strip)))

    def change(self, step: int) -> float | None:
        """Mean difference of a step's preview from the one before training, in levels of 255.

        None where one of them found no room on the disk.
        """
        if not (self.file(0).exists() and self.file(step).exists()):
            return None
        before, after = (np.asarray(Image.open(self.file(one)), dtype=np.float32) for one in (0, step))
        return float(np.abs(after - before).mean())


class Watcher:
    """Draws what is due after a step and says when likeness has stopped rising."""

    def __init__(
        self,
        previews: Previews,
        dreambooth: DreamBooth,
        eyes: Model,
        photos: LatentSet,
        others: LatentSet | None,
        early_stop: bool,
    ) -> None:
        """`eyes` is the model whose VAE encoded the photos."""
        self.measures: list[float] = []
        self._previews = previews
        self._dreambooth = dreambooth
        self._eyes = eyes
        self._photos = photos
        self._others = others
        self._early_stop = early_stop
        self._likeness: Likeness | None = None

    def before(self, check_stop: Callable[[], None]) -> None:
        """Draw the base's preview; must come while its weights are the base's."""
        if self._early_stop or not self._previews.file(0).exists():
            pictures = self._draw(0, check_stop)
            self._previews.tell(0, None, last=False)
            if self._early_stop:
                self._likeness = Likeness(self._photos, self._others or self._look(pictures))

    def due(self, step: int) -> bool:
        """Whether `after` draws something at a step."""
        return self._previews.due(step)

    def after(self, step: int, check_stop: Callable[[], None]) -> bool:
        """Draw what is due after a step; true when training may end before its last step."""
        if not self._previews.due(step):
            return False
        pictures = self._draw(step, check_stop)
        measure = None if self._likeness is None else self._likeness.of(self._look(pictures))
        if measure is not None:
            self.measures.append(measure)
        self._previews.tell(step, measure, last=self.peaked)
        return self.peaked

    @property
    def peaked(self) -> bool:
        """Whether the likeness measured so far has stopped rising."""
        return has_peaked(self.measures)

    def _draw(self, step: int, check_stop: Callable[[], None]) -> list[Image.Image]:
        with self._dreambooth.precision(), uncompiled():
            return self._previews.draw(step, check_stop)

    def _look(self, pictures: list[Image.Image]) -> LatentSet:
        return encode(self._eyes, pictures, [""] * len(pictures))


def _column(pictures: list[Image.Image]) -> Image.Image:
    column = Image.new("RGB", (pictures[0].width, sum(picture.height for picture in pictures)))
    for number, picture in enumerate(pictures):
        column.paste(picture, (0, number * picture.height))
    return column
