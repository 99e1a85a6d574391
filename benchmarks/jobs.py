"""Training jobs of a toy person, as the bot would write them, for whichever model is measured."""

from __future__ import annotations

from pathlib import Path

from data.toys import photo_set
from inference.bases import resolve
from trainer.job import write_job
from trainer.spec import Concept, Recipe, TrainSpec

IDENTITY = {
    "hair_colour": "red", "hair_style": "long", "skin": "pale", "glasses": "square", "beard": "none",
}  # fmt: skip
PHOTOS = 6


def make_job(folder: Path, base: Path, recipe: Recipe, pool: Path) -> Path:
    """Write a job's folder. The class images are in `pool`, or come there."""
    concept = Concept(name="abraza", photos="photos/abraza")
    spec = TrainSpec(base=str(base), concepts=(concept,), recipe=recipe, class_pool=str(pool))
    photos = photo_set(IDENTITY, PHOTOS, seed=1, size=resolve(str(base)).resolution)
    write_job(folder, spec, {concept.photos: photos})
    return folder
