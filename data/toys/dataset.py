"""Many portraits with their captions, the same whatever the number of workers."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.toys.caption import caption
from data.toys.portrait import SIZE, draw
from data.toys.traits import IDENTITY, Traits, sample

Pictures = NDArray[np.uint8]

_CHUNK = 256


def portrait(number: int, seed: int, size: int = SIZE) -> tuple[Image.Image, Traits, str]:
    """Picture `number` of the endless series that `seed` begins, what it shows, and its caption."""
    rng = np.random.default_rng([seed, number])
    traits = sample(rng)
    text = caption(traits, rng)
    return draw(traits, rng, size), traits, text


def dataset(count: int, seed: int, size: int = SIZE, workers: int = 1) -> tuple[Pictures, list[str]]:
    """The first `count` portraits of a series as [N, H, W, 3], and their captions."""
    starts = range(0, count, _CHUNK)
    chunk = partial(_chunk, count=count, seed=seed, size=size)
    pictures = np.empty((count, size, size, 3), dtype=np.uint8)
    captions: list[str] = []
    if workers > 1:
        # A fresh interpreter for each worker: a fork would copy the locks of whatever threads run here.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            parts = pool.map(chunk, starts)
            for start, (drawn, texts) in zip(starts, parts, strict=True):
                pictures[start : start + len(drawn)] = drawn
                captions += texts
    else:
        for start in starts:
            drawn, texts = chunk(start)
            pictures[start : start + len(drawn)] = drawn
            captions += texts
    return pictures, captions


def _chunk(start: int, count: int, seed: int, size: int) -> tuple[Pictures, list[str]]:
    series = [portrait(number, seed, size) for number in range(start, min(start + _CHUNK, count))]
    return np.stack([np.asarray(picture) for picture, _, _ in series]), [text for _, _, text in series]


def photo_set(identity: Mapping[str, str], count: int, seed: int, size: int = SIZE) -> list[Image.Image]:
    """Photos of one toy person: the same identity in other poses, shirts and places, mostly without a hat."""
    if missing := set(IDENTITY) - set(identity):
        raise ValueError(f"an identity needs {', '.join(sorted(missing))}")
    likeness = sample(np.random.default_rng([seed]), {"subject": "person"})
    photos = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        fixed = {"subject": "person", "style": "photo", **identity}
        if number % 6 != 5:
            fixed["hat"] = "none"
        traits = replace(sample(rng, fixed), iris=likeness.iris, face_width=likeness.face_width)
        photos.append(draw(traits, rng, size))
    return photos
