"""Reads traits off a picture, drawn or generated, with a small convolutional network in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.toys.traits import COLOURED, PERSON_VALUES, PET_VALUES, SCENE_VALUES, VALUES

INPUT = 64
WEIGHTS = Path(__file__).with_name("reader.npz")

Floats = NDArray[np.float32]
Pictures = NDArray[np.uint8]

# (output channels, kernel) of each convolution; all have stride 2 and "same" padding.
CONVOLUTIONS = ((24, 5), (48, 3), (96, 3), (128, 3))
HIDDEN = 128

_BATCH = 64


def read(image: Image.Image) -> dict[str, str]:
    """The traits that `image`, of any size, shows."""
    return read_many([image])[0]


def read_many(images: Sequence[Image.Image]) -> list[dict[str, str]]:
    """The traits of each image."""
    readings: list[dict[str, str]] = []
    for start in range(0, len(images), _BATCH):
        scores = _forward(to_inputs(images[start : start + _BATCH]))
        best = {name: np.argmax(scores[:, place], axis=1) for name, place in places().items()}
        for row in range(len(scores)):
            readings.append(_visible({name: VALUES[name][index[row]] for name, index in best.items()}))
    return readings


def to_inputs(images: Sequence[Image.Image]) -> Pictures:
    """The images as the network sees them: [N, 64, 64, 3]."""
    small = [image.convert("RGB").resize((INPUT, INPUT), Image.Resampling.BOX) for image in images]
    return np.stack([np.asarray(image) for image in small])


def places() -> dict[str, slice]:
    """Where among the network's outputs each trait's values are."""
    found, start = {}, 0
    for name, values in VALUES.items():
        found[name] = slice(start, start + len(values))
        start += len(values)
    return found


def _visible(values: dict[str, str]) -> dict[str, str]:
    own = PERSON_VALUES if values["subject"] == "person" else PET_VALUES
    shown = {name: value for name, value in values.items() if name in SCENE_VALUES or name in own}
    if shown.get("hair_style") == "bald":
        shown.pop("hair_colour")
    if shown["style"] == "pencil sketch":
        shown = {name: value for name, value in shown.items() if name not in COLOURED}
    return shown


@lru_cache(maxsize=1)
def _weights() -> dict[str, Floats]:
    with np.load(WEIGHTS) as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files}


def _forward(pictures: Pictures) -> Floats:
    weights = _weights()
    values = pictures.astype(np.float32) / 127.5 - 1
    for layer, (_, kernel) in enumerate(CONVOLUTIONS):
        values = _convolve(values, weights[f"conv{layer}.weight"], kernel) + weights[f"conv{layer}.bias"]
        values = np.maximum(values, 0)
    hidden = values.reshape(len(values), -1) @ weights["hidden.weight"] + weights["hidden.bias"]
    scores: Floats = np.maximum(hidden, 0) @ weights["scores.weight"] + weights["scores.bias"]
    return scores


def _convolve(values: Floats, weight: Floats, kernel: int) -> Floats:
    """A convolution of [N, H, W, C] with stride 2. `weight` is [kernel * kernel * C, outputs]."""
    margin = kernel // 2
    padded = np.pad(values, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    height, width = values.shape[1] // 2, values.shape[2] // 2
    patches = [
        padded[:, y : y + 2 * height : 2, x : x + 2 * width : 2] for y in range(kernel) for x in range(kernel)
    ]
    result: Floats = np.concatenate(patches, axis=-1) @ weight
    return result
