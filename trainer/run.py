"""A training job from its folder to model and samples, telling all that happens (lesson steps 6 and 7)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import torch
from PIL import Image
from pydantic import BaseModel

from data.errors import CodedError, is_disk_full
from inference.bases import BASES
from inference.denoiser import Denoiser
from inference.layout import save_pipeline
from inference.metadata import parameters, save_png
from inference.model import Model, drawing_dtype, load, pick_device
from inference.requests import DrawRequest
from inference.sampler import Brush, draw
from trainer.checkpoints import CheckpointFile
from trainer.class_images import class_images
from trainer.crops import crops
from trainer.dreambooth import DreamBooth, LatentSet, encode, why_eager
from trainer.errors import Stopped
from trainer.events import (
    Cancelled,
    Checkpoint,
    Done,
    Failed,
    Phase,
    PhaseProgress,
    Plan,
    Sample,
    Started,
    TrainEvent,
)
from trainer.job import JobFolder, Trained
from trainer.learn import Loop, peak_memory_gib
from trainer.lora import save_lora
from trainer.names import check_name
from trainer.photos import check_count, read_crops
from trainer.presets import check_method
from trainer.previews import Previews, Watcher
from trainer.probes import plan_for, xformers_problem
from trainer.spec import Concept, sample_prompts, steps_for
from trainer.vae import with_vae
from trainer.verdict import Fingerprint, check_learned

Emit = Callable[[BaseModel], None]
LoadBase = Callable[[str, torch.device, torch.dtype], Model]

_log = logging.getLogger("trainer")


def run_job(root: Path, emit: Emit, stop: Callable[[], bool], load_base: LoadBase = load) -> bool:
    """Run the job in folder `root`, or go on with it; the last event is Done, Failed or Cancelled.

    `stop` is asked at every step; once true, a checkpoint is written first. `load_base` may know a quicker
    way than `inference.model.load`. Returns whether it is done.
    """
    folder = JobFolder(root)
    try:
        folder.spec()  # where there is no job, there is nothing to hold
        with folder.locked(stop):
            _finish(folder, emit, stop, load_base)
        return True
    except Stopped as stopped:
        emit(Cancelled(step=stopped.step))
    except CodedError as error:
        emit(Failed(code=error.code, message=error.message))
    except torch.OutOfMemoryError:
        emit(
            Failed(
                code="out_of_memory",
                message="The GPU has too little memory for this recipe; a smaller plan or batch may fit.",
            )
        )
    except Exception as error:
        if not is_disk_full(error):
            raise
        emit(Failed(code="disk_full", message="The disk is full; free some space and start again."))
    return False


def _finish(folder: JobFolder, emit: Emit, stop: Callable[[], bool], load_base: LoadBase) -> None:
    outcome = folder.outcome()
    if outcome is None:
        with ThreadPoolExecutor(1, "save") as background:
            outcome = _Run(folder, background, emit, stop, load_base).run()
        folder.finish(outcome)
    folder.tidy()  # also what a kill after `finish` has left
    for event in outcome:
        emit(event)


class _Run:
    """One process's part in a job: what an earlier one left on disk is not done again."""

    def __init__(
        self,
        folder: JobFolder,
        background: Executor,
        emit: Emit,
        stop: Callable[[], bool],
        load_base: LoadBase,
    ) -> None:
        self._folder = folder
        self._load_base = load_base
        self._emit = emit
        self._stop = stop
        self._began = time.monotonic()
        self._background = background
        self._spec = folder.spec()
        self._recipe = self._spec.recipe
        self._device = pick_device()

    def run(self) -> list[TrainEvent]:
        for concept in self._spec.concepts:
            check_name(concept.name)
        check_method(self._spec.base, self._recipe.method)
        self._phase("load", 0, 1)
        trained = self._folder.trained()
        if trained is None:
            model, trained, saving = self._train()
        else:
            model, saving = self._load_trained(), None
        samples = self._draw_samples(model)
        if saving is not None:
            saving.result()
        done = Done(
            model=str(self._folder.model),
            samples=tuple(sample.path for sample in samples),
            steps=trained.steps,
            seconds=time.monotonic() - self._began,
            step_seconds=trained.step_seconds,
            peak_memory_gib=peak_memory_gib(self._device),
            method=trained.method,
            stopped_early=trained.stopped_early,
        )
        return [*samples, done]

    def _train(self) -> tuple[Model, Trained, Future[None] | None]:
        """Train, and return the model ready to draw, while it may still be on its way to the disk."""
        base = self._load_base(self._spec.base, self._device, torch.float32)
        photos = [image for concept in self._spec.concepts for image in self._photos(concept, base)]
        steps = steps_for(len(photos), self._recipe)
        prior = (
            self._class_images(base) if self._recipe.prior_weight > 0 and self._recipe.class_images else []
        )
        self._phase("cache", 0, 1)
        drawing = with_vae(base, self._recipe.vae) if self._recipe.vae else base
        eyes = drawing if self._recipe.encode_vae else base
        looks = [
            (look, prompt)
            for number, (photo, prompt) in enumerate(photos)
            for look in crops(photo, self._recipe.crops, self._recipe.seed + number)
        ]
        instance, others = _encode(eyes, looks), _encode(eyes, prior) if prior else None
        resumed = self._folder.plan()
        plan = resumed or self._choose_plan(base)
        self._choose_attention(drawing, plan)
        dreambooth = DreamBooth(drawing, self._recipe, instance, others, plan)
        fingerprint = Fingerprint(dreambooth.learned)
        previews = Previews(self._folder, self._spec, drawing, steps, self._emit)
        watcher = Watcher(previews, dreambooth, eyes, instance, others, self._recipe.early_stop)
        self._emit(plan)
        watcher.before(self._check_stop)
        loop = Loop(
            dreambooth,
            steps,
            watcher,
            CheckpointFile(self._folder.checkpoint, lambda step: self._emit(Checkpoint(step=step))),
            loss_plot=self._folder.loss_plot,
            emit=self._emit,
            stop=self._stop,
        )
        if resumed:
            loop.resume()
        self._emit(Started(steps=steps, device=str(self._device), resumed_step=dreambooth.done))
        early = loop.run(self._recipe.checkpoint_seconds)
        check_learned(fingerprint, previews.change(dreambooth.done))
        trained = Trained(
            steps=dreambooth.done,
            step_seconds=loop.step_seconds,
            method=plan.method,
            stopped_early=early,
        )
        self._phase("save", 0, 1)
        self._folder.keep_trained(trained)
        if plan.method == "lora":
            self._save_lora(dreambooth)
            return self._load_trained(), trained, None
        dreambooth.release()
        drawing.freeze()
        saving = self._background.submit(save_pipeline, drawing.pipeline(), self._folder.model)
        return drawing.to_draw(), trained, saving

    def _choose_plan(self, model: Model) -> Plan:
        plan = plan_for(model, self._recipe)
        check_method(self._spec.base, plan.method)  # for want of memory it may be another
        eager = why_eager(plan)
        if eager and self._device.type == "cuda":
            plan = plan.model_copy(update={"notes": (*plan.notes, f"No CUDA graph: {eager}.")})
        for note in plan.notes:
            _log.info("%s", note)
        self._folder.keep_plan(plan)
        return plan

    def _choose_attention(self, model: Model, plan: Plan) -> None:
        """xformers where it runs and is faster; a captured step keeps PyTorch's own, known to replay."""
        problem = xformers_problem(self._device, torch.float32 if plan.precision == "fp32" else torch.float16)
        if problem is None and not why_eager(plan):
            problem = "the step is a CUDA graph"
        if problem is None:
            model.unet.enable_xformers_memory_efficient_attention()
        _log.info("attention: %s", "xformers" if problem is None else f"PyTorch's own, for {problem}")

    def _save_lora(self, dreambooth: DreamBooth) -> None:
        base, vae = _from_anywhere(self._spec.base), self._recipe.vae
        save_lora(
            self._folder.model, base, self._recipe, dreambooth.learned(), _from_anywhere(vae) if vae else None
        )

    def _load_trained(self) -> Model:
        return load(str(self._folder.model), self._device, drawing_dtype(self._device))

    def _photos(self, concept: Concept, model: Model) -> list[tuple[Image.Image, str]]:
        """A concept's photos, each with the instance prompt. Raises TrainError for too few or too many."""
        photos = read_crops(self._folder.path(concept.photos), model.resolution)
        check_count(len(photos))
        return [(photo, concept.instance_prompt) for photo in photos]

    def _class_images(self, model: Model) -> list[tuple[Image.Image, str]]:
        """Class images of every class among the concepts, from the shared pool, each with its prompt."""
        pool = self._spec.class_pool
        folder = self._folder.path(pool) if pool else self._folder.class_images
        prompts = sorted({concept.class_prompt for concept in self._spec.concepts})
        pictures = []
        for prompt in prompts:
            drawn = class_images(model, prompt, folder, self._recipe, self._on_class_image, self._check_stop)
            pictures += [(image, prompt) for image in drawn]
        return pictures

    def _draw_samples(self, model: Model) -> list[Sample]:
        """Draw the samples with seeds that count up from the recipe's (lesson step 7)."""
        recipe = self._recipe
        prompts = sample_prompts(self._spec)
        seeds = [(recipe.seed + number) % 2**32 for number in range(len(prompts))]
        brush = Brush(recipe.sample_steps, recipe.guidance, model.resolution, model.resolution)
        samples = []
        self._phase("samples", 0, recipe.sample_steps)
        negatives, predict = [""] * len(seeds), Denoiser(model)
        pictures = draw(model, prompts, negatives, seeds, brush, self._on_sample_step, predict=predict)
        for index, picture in enumerate(pictures):
            path = self._folder.samples / f"{index}.png"
            save_png(picture, path, self._sample_text(prompts[index], seeds[index], picture))
            samples.append(Sample(index=index, path=str(path), prompt=prompts[index], seed=seeds[index]))
        return samples

    def _sample_text(self, prompt: str, seed: int, picture: Image.Image) -> str:
        recipe = self._recipe
        # Not checked: the name in the place of `me` may make a prompt longer than people may ask for.
        request = DrawRequest.model_construct(
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


def _from_anywhere(name: str) -> str:
    """A folder in full, for the model will move away from here; an alias or Hub id as it is."""
    return str(Path(name).resolve()) if name not in BASES and Path(name).is_dir() else name


def _encode(model: Model, pictures: list[tuple[Image.Image, str]]) -> LatentSet:
    return encode(model, [image for image, _ in pictures], [prompt for _, prompt in pictures])
