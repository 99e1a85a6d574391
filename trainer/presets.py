"""Recipes by name. `lesson` is the course's own; the others change only what they say."""

from __future__ import annotations

from inference.bases import resolve
from trainer.spec import Recipe

PRESETS = {
    "lesson": Recipe(),
    # The mini model is a hundredth of the size: it takes larger steps and fewer of them.
    "mini": Recipe(
        steps=320,
        learning_rate=1e-4,
        class_images=24,
        class_image_steps=20,
        class_batch=8,
    ),
}


def recipe_for(base: str) -> Recipe:
    """The recipe that suits a base model. Raises ModelError(unknown_base)."""
    return PRESETS[resolve(base).preset]
