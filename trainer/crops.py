"""Several looks at one photo: itself, and crops that are a little closer."""

from __future__ import annotations

import random

from PIL import Image

_SIDES = (0.9, 0.97)
"""Least and largest side of a closer crop, as a share of the photo's: the margin around a face is wider."""


def crops(photo: Image.Image, count: int, seed: int) -> list[Image.Image]:
    """A square photo and `count` - 1 closer crops of it, all of its size; the same for the same seed.

    What is learned then holds less to the place of each pixel.
    """
    chance = random.Random(seed)
    looks = [photo]
    for _ in range(count - 1):
        side = round(photo.width * chance.uniform(*_SIDES))
        left, top = (chance.randint(0, photo.width - side) for _ in range(2))
        box = (left, top, left + side, top + side)
        looks.append(photo.resize(photo.size, Image.Resampling.LANCZOS, box=box))
    return looks
