"""What a training job is asked to do: plain values, no torch, shared with the bot.

Defaults are those of the lesson (steps 5.5 to 7) unless a field says otherwise.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

NAME_PATTERN = re.compile(r"[A-Za-z0-9]{2,16}")
MIN_PHOTOS = 3
MAX_PHOTOS = 20

Method = Literal["full", "lora"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Optimizer = Literal["auto", "adamw", "adamw8bit"]
Memory = Literal["auto", "roomy", "lean", "eight-bit", "lora", "lora-lean"]
"""Plans of `trainer.memory`, the hungriest first; `auto` takes the first that fits."""


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

    method: Method = "full"
    """`full` trains every weight, `lora` low-rank additions to attention (arXiv:2106.09685)."""
    lora_rank: int = Field(default=16, ge=1, le=256)
    lora_alpha: float = Field(default=16.0, gt=0)
    """The addition counts alpha / rank times."""

    steps: int | None = Field(default=None, ge=1, le=20_000)
    """Optimiser steps; None asks the lesson's rule, see `steps_for`."""
    steps_per_photo: int = Field(default=100, ge=1, le=1000)
    learning_rate: float = Field(default=1e-6, gt=0)
    lora_learning_rate: float = Field(default=1e-4, gt=0)
    """Takes the place of `learning_rate` where the method is, or becomes, `lora`."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps over which the learning rate rises to its constant value."""
    batch_size: int = Field(default=1, ge=1, le=16)
    """Instance photos a step; with prior preservation as many class images come on top."""
    accumulation: int = Field(default=1, ge=1, le=16)
    """Batches whose gradients make one optimiser step."""
    train_text_encoder: bool = True
    text_encoder_steps: int | None = Field(default=None, ge=1)
    """Steps after which the text encoder rests; None trains it to the end."""
    min_snr_gamma: float | None = Field(default=None, gt=0)
    """Cap of the signal-to-noise ratio in the loss weight (arXiv:2303.09556); None weighs all alike."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    seed: int = Field(default=1337, ge=0, lt=2**32)

    crops: int = Field(default=1, ge=1, le=8)
    """Looks at each photo: itself and closer crops (`trainer.crops`). They cost no time in training."""

    prior_weight: float = Field(default=1.0, ge=0)
    """Weight of the class loss; 0 switches prior preservation off."""
    class_images: int = Field(default=50, ge=0, le=1000)
    class_image_steps: int = Field(default=50, ge=1, le=200)
    class_batch: int = Field(default=4, ge=1, le=64)

    vae: str | None = None
    """VAE (Hub id or folder) that draws and is saved in the base's place; None keeps the base's."""
    encode_vae: bool = False
    """Whether `vae` encodes the photos as well. The lesson leaves that to the base's."""

    memory: Memory = "auto"
    """Memory plan. What the next three say, other than `auto` and None, goes before the plan's own."""
    precision: Precision = "auto"
    optimizer: Optimizer = "auto"
    gradient_checkpointing: bool | None = None
    compiled: bool = False
    """Compile the UNet's blocks on a GPU: faster steps after a longer start, most of all the first."""

    sample_prompts: tuple[str, ...] = Field(default=(), max_length=16)
    """Drawn in turn; none draws the concepts' instance prompts."""
    samples: int = Field(default=4, ge=0, le=16)
    """Pictures at the end, all prompts together; a prompt has at least one unless this is 0."""
    sample_steps: int = Field(default=50, ge=1, le=200)
    guidance: float = Field(default=7.5, ge=0, le=50)
    preview_every: int | None = Field(default=None, ge=0)
    """Steps between pictures of one seed while training; None draws them at each quarter, 0 draws none."""
    preview_steps: int = Field(default=20, ge=1, le=200)
    early_stop: bool = False
    """End before the last step once the previews' likeness no longer rises."""
    checkpoint_seconds: float = Field(default=60.0, gt=0)
    """Time between checkpoints: a kill costs no more work than that and a checkpoint's writing."""

    @model_validator(mode="before")
    @classmethod
    def _read_older(cls, values: Any) -> Any:
        """Jobs from before there were several sample prompts."""
        if isinstance(values, dict) and "sample_prompt" in values:
            values = dict(values)
            prompt = values.pop("sample_prompt")
            values.setdefault("sample_prompts", (prompt,) if prompt else ())
        return values


class TrainSpec(_Value):
    """The whole of `job.json`: what `python -m trainer JOB` needs to know."""

    base: str
    """Alias (see `inference.bases`), Hub id or folder in diffusers layout."""
    concepts: tuple[Concept, ...] = Field(min_length=1, max_length=8)
    """One for each subject; names differ."""
    recipe: Recipe = Recipe()
    class_pool: str | None = None
    """Folder of class images shared by jobs; None keeps them in the job's own folder."""

    @model_validator(mode="after")
    def _check_names(self) -> TrainSpec:
        if len({concept.name.lower() for concept in self.concepts}) < len(self.concepts):
            raise ValueError("two concepts have the same name")
        return self


def steps_for(photos: int, recipe: Recipe) -> int:
    """Optimiser steps: the recipe's own, or 100 a photo plus 100 below ten photos (lesson step 7)."""
    if recipe.steps is not None:
        return recipe.steps
    return recipe.steps_per_photo * (photos + (1 if photos < 10 else 0))


def sample_prompts(spec: TrainSpec) -> tuple[str, ...]:
    """The prompt of each sample, in their order."""
    recipe = spec.recipe
    prompts = recipe.sample_prompts or tuple(concept.instance_prompt for concept in spec.concepts)
    count = max(recipe.samples, len(prompts)) if recipe.samples else 0
    return tuple(prompts[number % len(prompts)] for number in range(count))
