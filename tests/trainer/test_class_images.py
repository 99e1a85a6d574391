"""The pool of class images that jobs share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from inference.bases import MINI
from inference.model import load
from trainer.class_images import class_images
from trainer.spec import Recipe


def test_a_pool_is_topped_up_by_what_it_lacks(tmp_path: Path) -> None:
    model = load(str(MINI), torch.device("cpu"), torch.float32)
    told: list[int] = []

    def drawn(count: int) -> list[np.ndarray]:
        recipe = Recipe(class_images=count, class_image_steps=1)
        told.clear()
        images = class_images(model, "photo of a person", tmp_path, recipe, told.append, lambda: None)
        return [np.asarray(image) for image in images]

    first = drawn(2)
    assert told == [0, 2]
    more = drawn(3)
    assert told == [2, 3]
    assert all(np.array_equal(one, other) for one, other in zip(first, more, strict=False))
    damaged = next(tmp_path.glob("*/0001.png"))
    damaged.write_bytes(damaged.read_bytes()[:200])
    again = drawn(3)
    assert told == [2, 3]
    # A picture drawn alone may differ in the last bit from one drawn in a batch.
    assert max(np.abs(one.astype(int) - other).max() for one, other in zip(more, again, strict=True)) <= 2
