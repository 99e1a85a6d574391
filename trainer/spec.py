"""What a training job is asked to do: plain values, no torch, shared with the bot.

Defaults are those of the lesson (steps 5.5 to 7) unless a field says otherwise.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

NAME_PATTERN = re.compile(r"[A-Za-z0-9]{2,16}")
MIN_PHOTOS = 3
MAX_PHOTOS = 20

Precision = Literal["auto", "fp32", "bf16"]


class _Value(BaseModel):
    """A frozen value with a strict JSON form: an unknown or misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Concept(_Value):
    """One subject to learn: its photos, its name and the class it belongs to (lesson step 5.5)."""

    name: str
    class_name: str = "person"
    photos: str
    """Folder of upright RGB crops, relative to the job folder or absolute."""

    @property
    def instance_prompt(self) -> str:
        return f"photo of {self.name} {self.class_name}"

    @property
    def class_prompt(self) -> str:
        return f"photo of a {self.class_name}"


class Recipe(_Value):
    """Every value of a DreamBooth run (Ruiz et al. 2022, arXiv:2208.12242)."""

    steps: int | None = Field(default=None, ge=1, le=20_000)
    """Optimiser steps; None asks the lesson's rule, see `steps_for`."""
    learning_rate: float = Field(default=1e-6, gt=0)
    batch_size: int = Field(default=1, ge=1, le=16)
    """Instance photos a step; with prior preservation as many class images come on top."""
    prior_weight: float = Field(default=1.0, ge=0)
    """Weight of the class loss; 0 switches prior preservation off."""
    class_images: int = Field(default=50, ge=0, le=1000)
    class_image_steps: int = Field(default=50, ge=1, le=200)
    class_batch: int = Field(default=4, ge=1, le=64)
    train_text_encoder: bool = True
    max_grad_norm: float = Field(default=1.0, gt=0)
    precision: Precision = "auto"
    seed: int = 1337
    sample_prompt: str | None = None
    """None draws the instance prompt."""
    samples: int = Field(default=4, ge=0, le=16)
    sample_steps: int = Field(default=50, ge=1, le=200)
    guidance: float = Field(default=7.5, ge=0, le=50)
    checkpoint_seconds: float = Field(default=60.0, gt=0)
    """Time between checkpoints; longer where writing one would take more than 5% of the time."""


class TrainSpec(_Value):
    """The whole of `job.json`: what `python -m trainer JOB` needs to know."""

    base: str
    """Alias (see `inference.bases`), Hub id or folder in diffusers layout."""
    concepts: tuple[Concept, ...] = Field(min_length=1)
    recipe: Recipe = Recipe()
    class_pool: str | None = None
    """Folder of class images shared by jobs; None keeps them in the job's own folder."""


def steps_for(photos: int, recipe: Recipe) -> int:
    """Optimiser steps: the recipe's own, or 100 a photo plus 100 below ten photos (lesson step 7)."""
    if recipe.steps is not None:
        return recipe.steps
    return 100 * photos + (100 if photos < 10 else 0)
