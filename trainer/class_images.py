"""Prior preservation's pictures: the base model's own idea of the class (arXiv:2208.12242, section 3.2)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from inference.metadata import save_png
from inference.model import Model
from inference.sampler import Brush, draw
from trainer.spec import Recipe


def class_images(
    model: Model,
    prompt: str,
    pool: Path,
    recipe: Recipe,
    on_picture: Callable[[int], None],
    on_step: Callable[[], None],
) -> list[Image.Image]:
    """Read `recipe.class_images` pictures of a class prompt from a shared pool, drawing what it lacks.

    Picture i has seed i, whoever draws it first. `on_picture` is told how many are there;
    `on_step` is called at every denoising step and may raise to stop: what is drawn stays.
    """
    folder = pool / _slug(prompt)
    files = [folder / f"{seed:04}.png" for seed in range(recipe.class_images)]
    found = {seed: image for seed, file in enumerate(files) if (image := _read(file))}
    missing = [seed for seed in range(len(files)) if seed not in found]
    brush = Brush(recipe.class_image_steps, recipe.guidance, model.resolution, model.resolution)
    on_picture(len(files) - len(missing))
    for start in range(0, len(missing), recipe.class_batch):
        seeds = missing[start : start + recipe.class_batch]
        pictures = draw(model, [prompt] * len(seeds), [""] * len(seeds), seeds, brush, lambda _: on_step())
        for seed, picture in zip(seeds, pictures, strict=True):
            save_png(picture, files[seed], f"{prompt}\nSteps: {brush.steps}, Sampler: DDIM, Seed: {seed}")
            found[seed] = picture
        on_picture(len(files) - len(missing) + start + len(seeds))
    return [found[seed] for seed in range(len(files))]


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
