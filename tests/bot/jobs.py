"""Training jobs small enough for a test."""

from pathlib import Path

import numpy as np
from PIL import Image

from trainer.job import write_job
from trainer.spec import Concept, Recipe, TrainSpec


def tiny_recipe(steps: int) -> Recipe:
    """Seconds on any machine."""
    return Recipe(
        steps=steps,
        learning_rate=1e-4,
        class_images=2,
        class_image_steps=2,
        class_batch=2,
        samples=2,
        sample_steps=2,
    )


def make_job(folder: Path, model: Path, steps: int = 20) -> Path:
    """A job folder as the training service writes it."""
    concept = Concept(name="abraza", photos="photos")
    noise = np.random.default_rng(0)
    photos = [Image.fromarray(noise.integers(0, 255, (64, 64, 3), dtype=np.uint8)) for _ in range(3)]
    write_job(
        folder, TrainSpec(base=str(model), concepts=(concept,), recipe=tiny_recipe(steps)), {"photos": photos}
    )
    return folder
