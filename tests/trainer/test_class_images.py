"""The pool of class images that jobs share."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
import torch
from PIL import Image

from data.disk import locked
from inference.bases import MINI
from inference.model import load
from trainer.class_images import class_images
from trainer.errors import Stopped, TrainError
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


def test_the_pool_of_a_base_of_another_size_is_refused_and_left(tmp_path: Path) -> None:
    model = load(str(MINI), torch.device("cpu"), torch.float32)

    def drawn(count: int) -> None:
        recipe = Recipe(class_images=count, class_image_steps=1)
        class_images(model, "photo of a person", tmp_path, recipe, lambda _: None, lambda: None)

    drawn(1)
    (file,) = tmp_path.glob("*/0000.png")
    Image.new("RGB", (512, 512)).save(file)
    with pytest.raises(TrainError, match="another base"):
        drawn(2)
    with Image.open(file) as kept:
        assert kept.size == (512, 512)


def test_two_jobs_at_once_draw_each_picture_once(tmp_path: Path) -> None:
    model = load(str(MINI), torch.device("cpu"), torch.float32)
    recipe = Recipe(class_images=2, class_image_steps=1)
    told: list[int] = []
    images: list[Image.Image] = []
    waiting = Event()

    def join_in() -> None:
        images.extend(class_images(model, "photo of a person", tmp_path, recipe, told.append, waiting.set))

    other = Thread(target=join_in)

    def on_step() -> None:
        other.start()
        assert waiting.wait(60)

    ours = class_images(model, "photo of a person", tmp_path, recipe, lambda _: None, on_step)
    other.join(60)
    assert told == [2]
    assert all(np.array_equal(one, other) for one, other in zip(ours, images, strict=True))


def test_who_waits_for_another_job_can_be_stopped(tmp_path: Path) -> None:
    model = load(str(MINI), torch.device("cpu"), torch.float32)
    recipe = Recipe(class_images=1, class_image_steps=1)

    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):  # at the first step: the folder is there, the lock is free again
        class_images(model, "photo of a cat", tmp_path, recipe, lambda _: None, stop)
    (folder,) = (entry for entry in tmp_path.iterdir() if entry.is_dir())
    with locked(folder / ".lock", stop), pytest.raises(Stopped):
        class_images(model, "photo of a cat", tmp_path, recipe, lambda _: pytest.fail("looked in"), stop)


def draw_words(pool: Path, *words: str) -> None:
    model = load(str(MINI), torch.device("cpu"), torch.float32)
    recipe = Recipe(class_images=1, class_image_steps=1)
    for word in words:
        class_images(model, word, pool, recipe, lambda _: None, lambda: None)


def kept(pool: Path) -> set[str]:
    return {folder.name.rpartition("-")[0] for folder in pool.iterdir() if folder.is_dir()}


def test_the_words_that_nobody_used_for_longest_make_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.class_images._MOST_PROMPTS", 2)
    draw_words(tmp_path, "cat", "dog", "cat", "fox")
    assert kept(tmp_path) == {"cat", "fox"}
    monkeypatch.setattr("trainer.class_images._MOST_BYTES", 1)
    (tmp_path / "mine").mkdir()
    draw_words(tmp_path, "cow")
    assert kept(tmp_path) == {"cow", ""}, "the last one stays, and what is none of ours"


def test_nothing_goes_while_a_training_uses_the_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.class_images._MOST_PROMPTS", 1)
    with locked(tmp_path / ".lock", lambda: None, shared=True):
        draw_words(tmp_path, "cat", "dog")
        assert kept(tmp_path) == {"cat", "dog"}
    draw_words(tmp_path, "dog")
    assert kept(tmp_path) == {"dog"}
