"""Seconds a training step and a set of pictures take with the mini model on this machine."""

from __future__ import annotations

import statistics
import time

import torch

from data.toys import photo_set
from inference.model import Model, load, pick_device
from inference.sampler import Brush, draw
from trainer.dreambooth import DreamBooth, encode
from trainer.presets import recipe_for

_IDENTITY = {
    "hair_colour": "red", "hair_style": "long", "skin": "pale", "glasses": "square", "beard": "none",
}  # fmt: skip
_STEPS = 30


def measure() -> dict[str, float]:
    """Medians, in seconds; the names say of what."""
    device = pick_device()
    model = load("mini", device, torch.float32)
    return {
        "four pictures, 50 steps, mini (s)": _four_pictures(model),
        "training step, photo + class image, mini (s)": _training_step(model),
    }


def _four_pictures(model: Model) -> float:
    brush = Brush(50, 7.5, model.resolution, model.resolution)
    seconds = []
    for seed in range(3):
        began = time.monotonic()
        list(
            draw(
                model,
                ["photo of a person"] * 4,
                [""] * 4,
                range(4 * seed, 4 * seed + 4),
                brush,
                lambda _: None,
            )
        )
        seconds.append(time.monotonic() - began)
    return statistics.median(seconds)


def _training_step(model: Model) -> float:
    photos = photo_set(_IDENTITY, 6, seed=1, size=model.resolution)
    instance = encode(model, photos, ["photo of abraza person"] * 6)
    prior = encode(model, photos, ["photo of a person"] * 6)
    dreambooth = DreamBooth(model, recipe_for("mini"), instance, prior)
    seconds = []
    for _ in range(_STEPS):
        began = time.monotonic()
        dreambooth.step()
        dreambooth.mean_loss()
        seconds.append(time.monotonic() - began)
    return statistics.median(seconds)
