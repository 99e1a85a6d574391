"""Seconds a training step and a set of pictures take with the mini model on this machine."""

from __future__ import annotations

import argparse

import torch

from benchmarks.jobs import IDENTITY
from benchmarks.report import Row, Stopwatch, race
from data.toys import photo_set
from inference.model import Model, load, pick_device
from inference.sampler import Brush, draw
from trainer.dreambooth import DreamBooth, encode
from trainer.presets import recipe_for

_STEPS = 30


def options(parser: argparse.ArgumentParser) -> None:
    """None: these figures are to be compared from one day to the next."""


def measure(arguments: argparse.Namespace) -> list[Row]:
    model = load("mini", pick_device(), torch.float32)
    return [
        Row("four pictures, 50 steps, mini", _four_pictures(model)),
        Row("training step, photo + class image, mini", _training_step(model)),
    ]


def _four_pictures(model: Model) -> float:
    brush = Brush(50, 7.5, model.resolution, model.resolution)
    prompts, negatives = ["photo of a person"] * 4, [""] * 4
    (seconds,) = race(2, lambda: list(draw(model, prompts, negatives, range(4), brush, lambda _: None)))
    return seconds


def _training_step(model: Model) -> float:
    photos = photo_set(IDENTITY, 6, seed=1, size=model.resolution)
    instance = encode(model, photos, ["photo of abraza person"] * 6)
    prior = encode(model, photos, ["photo of a person"] * 6)
    dreambooth = DreamBooth(model, recipe_for("mini"), instance, prior)
    watch = Stopwatch()
    for _ in range(_STEPS):
        with watch.lap():
            dreambooth.step()
            dreambooth.mean_loss()
    return watch.median
