"""A training job from its folder to model and samples, telling all that happens (lesson steps 6 and 7)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from pydantic import BaseModel

from data.errors import CodedError, is_disk_full
from inference.layout import save_pipeline
from inference.metadata import parameters, save_png
from inference.model import Model, load, pick_device
from inference.requests import DrawRequest
from inference.sampler import Brush, draw
from trainer.class_images import class_images
from trainer.dreambooth import DreamBooth, LatentSet, encode
from trainer.errors import Stopped
from trainer.events import Cancelled, Done, Failed, Phase, PhaseProgress, Sample, Started, TrainEvent
from trainer.job import JobFolder
from trainer.learn import learn, peak_memory_gib
from trainer.names import check_name
from trainer.photos import check_count, read_folder
from trainer.spec import Concept, steps_for

Emit = Callable[[BaseModel], None]


def run_job(root: Path, emit: Emit, stop: Callable[[], bool]) -> bool:
    """Run the job in folder `root`, or go on with it; the last event is Done, Failed or Cancelled.

    `stop` is asked at every step; once true, a checkpoint is written first. Returns whether it is done.
    """
    folder = JobFolder(root)
    try:
        with folder.locked(stop):
            _finish(folder, emit, stop)
        return True
    except Stopped as stopped:
        emit(Cancelled(step=stopped.step))
    except CodedError as error:
        emit(Failed(code=error.code, message=error.message))
    except torch.OutOfMemoryError:
        emit(Failed(code="out_of_memory", message="The GPU has too little memory for this recipe."))
    except Exception as error:
        if not is_disk_full(error):
            raise
        emit(Failed(code="disk_full", message="The disk is full; free some space and start again."))
    return False


def _finish(folder: JobFolder, emit: Emit, stop: Callable[[], bool]) -> None:
    outcome = folder.outcome()
    if outcome is None:
        outcome = _Run(folder, emit, stop).run()
        folder.finish(outcome)
        folder.checkpoint.unlink(missing_ok=True)
    for event in outcome:
        emit(event)


class _Run:
    """One process's part in a job: what an earlier one left on disk is not done again."""

    def __init__(self, folder: JobFolder, emit: Emit, stop: Callable[[], bool]) -> None:
        self._folder = folder
        self._emit = emit
        self._stop = stop
        self._began = time.monotonic()
        self._spec = folder.spec()
        self._recipe = self._spec.recipe
        self._device = pick_device()
        self._step = 0
        self._step_seconds = 0.0

    def run(self) -> list[TrainEvent]:
        for concept in self._spec.concepts:
            check_name(concept.name)
        self._phase("load", 0, 1)
        trained = self._folder.model.exists()
        model = load(str(self._folder.model) if trained else self._spec.base, self._device, torch.float32)
        photos = [image for concept in self._spec.concepts for image in self._photos(concept, model)]
        steps = steps_for(len(photos), self._recipe)
        if not trained:
            self._train(model, photos, steps)
            self._phase("save", 0, 1)
            save_pipeline(model.pipeline(), self._folder.model)
        samples = self._draw_samples(model)
        done = Done(
            model=str(self._folder.model),
            samples=tuple(sample.path for sample in samples),
            steps=steps,
            seconds=time.monotonic() - self._began,
            step_seconds=self._step_seconds,
            peak_memory_gib=peak_memory_gib(self._device),
        )
        return [*samples, done]

    def _train(self, model: Model, photos: list[tuple[Image.Image, str]], steps: int) -> None:
        resumes = self._folder.checkpoint.exists()
        prior = self._prior(model) if self._recipe.prior_weight > 0 and self._recipe.class_images else None
        self._phase("cache", 0, 1)
        dreambooth = DreamBooth(model, self._recipe, _encode(model, photos), prior)
        if resumes:
            dreambooth.restore(self._folder.checkpoint)
        self._emit(Started(steps=steps, device=str(self._device), resumed_step=dreambooth.done))
        self._step_seconds = learn(
            dreambooth,
            steps,
            checkpoint=self._folder.checkpoint,
            checkpoint_seconds=self._recipe.checkpoint_seconds,
            emit=self._emit,
            stop=self._stop,
        )
        model.freeze()

    def _photos(self, concept: Concept, model: Model) -> list[tuple[Image.Image, str]]:
        """A concept's photos, each with the instance prompt. Raises TrainError for too few or too many."""
        report = read_folder(self._folder.path(concept.photos), model.resolution)
        check_count(len(report.accepted))
        return [(photo.image, concept.instance_prompt) for photo in report.accepted]

    def _prior(self, model: Model) -> LatentSet:
        """Class images of every class among the concepts, from the shared pool."""
        pool = self._spec.class_pool
        folder = self._folder.path(pool) if pool else self._folder.class_images
        prompts = sorted({concept.class_prompt for concept in self._spec.concepts})
        pictures = []
        for prompt in prompts:
            drawn = class_images(model, prompt, folder, self._recipe, self._on_class_image, self._check_stop)
            pictures += [(image, prompt) for image in drawn]
        return _encode(model, pictures)

    def _draw_samples(self, model: Model) -> list[Sample]:
        """Draw the samples with seeds that count up from the recipe's (lesson step 7)."""
        recipe = self._recipe
        prompt = recipe.sample_prompt or self._spec.concepts[0].instance_prompt
        seeds = [recipe.seed + number for number in range(recipe.samples)]
        brush = Brush(recipe.sample_steps, recipe.guidance, model.resolution, model.resolution)
        samples = []
        self._phase("samples", 0, recipe.sample_steps)
        for index, picture in enumerate(
            draw(model, [prompt] * len(seeds), [""] * len(seeds), seeds, brush, self._on_sample_step)
        ):
            path = self._folder.samples / f"{index}.png"
            save_png(picture, path, self._sample_text(prompt, seeds[index], picture))
            samples.append(Sample(index=index, path=str(path), prompt=prompt, seed=seeds[index]))
        return samples

    def _sample_text(self, prompt: str, seed: int, picture: Image.Image) -> str:
        recipe = self._recipe
        request = DrawRequest(
            id="sample",
            model=self._spec.concepts[0].name,
            prompt=prompt,
            steps=recipe.sample_steps,
            guidance=recipe.guidance,
            seed=seed,
            out=str(self._folder.samples),
        )
        return parameters(request, seed, picture.size)

    def _on_class_image(self, done: int) -> None:
        self._phase("class_images", done, self._recipe.class_images)

    def _on_sample_step(self, step: int) -> None:
        self._phase("samples", step, self._recipe.sample_steps)
        self._check_stop()

    def _check_stop(self) -> None:
        if self._stop():
            raise Stopped

    def _phase(self, phase: Phase, done: int, total: int) -> None:
        self._emit(PhaseProgress(phase=phase, done=done, total=total))


def _encode(model: Model, pictures: list[tuple[Image.Image, str]]) -> LatentSet:
    return encode(model, [image for image, _ in pictures], [prompt for _, prompt in pictures])
