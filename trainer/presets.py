"""Recipes by name. `lesson` is the course's own; the others change only what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from inference.bases import BASES, resolve, source_of
from inference.errors import ModelError
from inference.lora import is_lora
from trainer.spec import Method, Recipe

Preset = Literal["lesson", "quick", "careful"]

PRESETS: dict[Preset, Recipe] = {
    "lesson": Recipe(),
    "quick": Recipe(method="lora", steps_per_photo=50, class_images=24, class_image_steps=25),
    "careful": Recipe(steps_per_photo=150, learning_rate=7e-7, class_images=100, min_snr_gamma=5.0),
}

# The mini model is a hundredth of the size: it takes larger steps and fewer of them. `benchmarks.fidelity`
# chose between the methods and weights.
_MINI_LESSON = Recipe(
    method="lora",
    steps=320,
    learning_rate=1e-4,
    lora_learning_rate=1e-3,
    prior_weight=0.5,
    class_images=24,
    class_image_steps=20,
    class_batch=8,
)
_MINI: dict[Preset, Recipe] = {
    "lesson": _MINI_LESSON,
    "quick": _MINI_LESSON.model_copy(update={"steps": 200}),
    "careful": _MINI_LESSON.model_copy(update={"steps": 500, "class_images": 48}),
}

_LESSON_VAE = "stabilityai/sd-vae-ft-mse"


def recipe_for(base: str, preset: Preset = "lesson", method: Method | None = None) -> Recipe:
    """A preset's recipe as it suits a base model, trained by its own method where none is named.

    A base that is a LoRA itself is trained in full. Raises ModelError: lora_as_base, and as
    `inference.bases.resolve` does.
    """
    known = resolve(base)
    if known.preset == "mini":
        recipe = _MINI[preset]
    else:
        recipe = PRESETS[preset]
        # The lesson's decoder fits every Stable Diffusion; a folder or somebody's model may have its own.
        if known.alias in BASES:
            recipe = recipe.model_copy(update={"vae": _LESSON_VAE})
    if method:
        check_method(base, method)
    elif is_lora(Path(known.source)):
        method = "full"
    return recipe.model_copy(update={"method": method}) if method else recipe


def check_method(base: str, method: Method) -> None:
    """Raise ModelError(lora_as_base) for a LoRA whose base would be another LoRA: no reader adds up both.

    Knows a base by its name alone: a job may come from elsewhere, and its base be fetched after this.
    """
    if method == "lora" and is_lora(Path(source_of(base))):
        raise ModelError(
            "lora_as_base",
            f"The base {base!r} is a LoRA itself, and a LoRA can't be made for another: "
            "train in full (--method full), or take its own base.",
        )
