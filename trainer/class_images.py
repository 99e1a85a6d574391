"""Prior preservation's pictures: the base model's own idea of the class (arXiv:2208.12242, section 3.2)."""

from __future__ import annotations

import hashlib
import math
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image

from data.disk import locked
from inference.denoiser import Denoiser
from inference.metadata import save_png
from inference.model import Model
from inference.sampler import Brush, draw
from trainer.errors import TrainError
from trainer.spec import Recipe

_GPU_BATCH = 16
_ROOM_BYTES = 12 * 2**30
"""Free memory with which such a batch fits at any size of Stable Diffusion."""

_LOCK = ".lock"
_MOST_PROMPTS = 50
_MOST_BYTES = 8 * 2**30
"""What a pool keeps: people type any word for a class, and each has pictures of its own."""


class _InUse(Exception):
    """Somebody reads or draws in the pool."""


def class_images(
    model: Model,
    prompt: str,
    pool: Path,
    recipe: Recipe,
    on_picture: Callable[[int], None],
    on_step: Callable[[], None],
) -> list[Image.Image]:
    """Read `recipe.class_images` pictures of a class prompt from a shared pool, drawing what it lacks.

    Picture i has seed i, whoever draws it first; a job that draws the same is waited for. `on_picture` is
    told how many are there; `on_step` is called at every denoising step, and while waiting, and may raise to
    stop: what is drawn stays. Raises TrainError(bad_job) where the pool is of a base of another size.

    A pool that has grown too large loses the prompts that nobody has used for longest.
    """
    pool.mkdir(parents=True, exist_ok=True)
    with locked(pool / _LOCK, on_step, shared=True):
        images = _images(model, prompt, pool / _slug(prompt), recipe, on_picture, on_step)
    _make_room(pool)
    return images


def _images(
    model: Model,
    prompt: str,
    folder: Path,
    recipe: Recipe,
    on_picture: Callable[[int], None],
    on_step: Callable[[], None],
) -> list[Image.Image]:
    folder.mkdir(exist_ok=True)
    files = [folder / f"{seed:04}.png" for seed in range(recipe.class_images)]
    with locked(folder / _LOCK, on_step):
        (folder / _LOCK).touch()  # says when it was last used
        found = {seed: image for seed, file in enumerate(files) if (image := _read(file))}
        if any(image.size != (model.resolution, model.resolution) for image in found.values()):
            raise TrainError(
                "bad_job",
                f"{folder.parent} holds class images of another base: choose another folder for them.",
            )
        on_picture(len(found))
        if len(found) < len(files):
            _draw_missing(model, prompt, files, found, recipe, on_picture, on_step)
    return [found[seed] for seed in range(len(files))]


def _make_room(pool: Path) -> None:
    """Remove what was not used for longest; while anybody uses the pool, that is the next training's."""

    def give_up() -> None:
        raise _InUse

    try:
        with locked(pool / _LOCK, give_up):
            leaving = pool / ".leaving"
            shutil.rmtree(leaving, ignore_errors=True)  # a crash may have left it
            for folder in _beyond_bounds(pool):
                folder.rename(leaving)  # at once: nobody finds half of its pictures
                shutil.rmtree(leaving)
    except _InUse:
        pass


def _beyond_bounds(pool: Path) -> list[Path]:
    """Prompts' folders that are too many, or too much; the one used last always stays."""
    used = sorted(pool.glob(f"*/{_LOCK}"), key=lambda lock: lock.stat().st_mtime_ns, reverse=True)
    size, gone = 0, []
    for place, lock in enumerate(used):
        size += sum(file.stat().st_size for file in lock.parent.iterdir())
        if place and (place >= _MOST_PROMPTS or size > _MOST_BYTES):
            gone.append(lock.parent)
    return gone


def _draw_missing(
    model: Model,
    prompt: str,
    files: Sequence[Path],
    found: dict[int, Image.Image],
    recipe: Recipe,
    on_picture: Callable[[int], None],
    on_step: Callable[[], None],
) -> None:
    missing = [seed for seed in range(len(files)) if seed not in found]
    model = model.to_draw()
    predict = Denoiser(model)
    brush = Brush(recipe.class_image_steps, recipe.guidance, model.resolution, model.resolution)
    size = _batch_size(len(missing), recipe, model.device)
    for start in range(0, len(missing), size):
        seeds = missing[start : start + size]
        prompts, negatives = [prompt] * len(seeds), [""] * len(seeds)
        pictures = draw(model, prompts, negatives, seeds, brush, lambda _: on_step(), predict=predict)
        for seed, picture in zip(seeds, pictures, strict=True):
            save_png(picture, files[seed], f"{prompt}\nSteps: {brush.steps}, Sampler: DDIM, Seed: {seed}")
            found[seed] = picture
        on_picture(len(found))


def _batch_size(missing: int, recipe: Recipe, device: torch.device) -> int:
    """The recipe's, or as many as a GPU with room draws at once, all batches about alike."""
    size = recipe.class_batch
    if device.type == "cuda" and torch.cuda.mem_get_info(device)[0] > _ROOM_BYTES:
        size = max(size, _GPU_BATCH)
    return math.ceil(missing / math.ceil(missing / size))


def _slug(prompt: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:40]
    return f"{words}-{hashlib.sha256(prompt.encode()).hexdigest()[:8]}"


def _read(file: Path) -> Image.Image | None:
    """A picture of the pool; None where it is missing or damaged, so that it is drawn again."""
    try:
        with Image.open(file) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError):  # Pillow raises both for a broken PNG
        return None
