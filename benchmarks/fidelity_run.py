"""One run of the fidelity benchmark: train on a toy person's photos, draw, and read the pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image

from data.toys import IDENTITY, photo_set
from data.toys.reader import read_many
from inference.bases import MINI
from inference.model import Model, load, pick_device
from inference.sampler import Brush, draw
from trainer.class_images import class_images
from trainer.dreambooth import DreamBooth, encode
from trainer.presets import recipe_for
from trainer.spec import Concept, Recipe

if TYPE_CHECKING:
    from benchmarks.fidelity import Case

PERSONS: tuple[Mapping[str, str], ...] = (
    {"hair_colour": "blue", "hair_style": "curly", "skin": "tan", "glasses": "round", "beard": "moustache"},
    {"hair_colour": "red", "hair_style": "long", "skin": "pale", "glasses": "square", "beard": "none"},
    {"hair_colour": "grey", "hair_style": "short", "skin": "dark", "glasses": "none", "beard": "full beard"},
    {"hair_colour": "blond", "hair_style": "pigtails", "skin": "brown", "glasses": "none", "beard": "none"},
    {
        "hair_colour": "black",
        "hair_style": "short",
        "skin": "pale",
        "glasses": "sunglasses",
        "beard": "goatee",
    },
)
_PHOTOS = 6
_STEPS = 20
_BATCH = 8
_PORTRAITS = 8
_CLASS_PICTURES = 32

# What is asked of the person; a pencil has no colours to ask for.
_SCENES: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("oil painting of {} wearing a top hat", {"style": "oil painting", "hat": "top hat"}),
    ("pixel art of {}, green background", {"style": "pixel art", "background": "green"}),
    ("pencil sketch of {} wearing a crown", {"style": "pencil sketch", "hat": "crown"}),
    ("photo of {} wearing a red shirt, purple background",
     {"style": "photo", "shirt": "red", "background": "purple"}),
    ("photo of {} wearing a beanie, yellow background",
     {"style": "photo", "hat": "beanie", "background": "yellow"}),
    ("oil painting of {} in a blue shirt, white background",
     {"style": "oil painting", "shirt": "blue", "background": "white"}),
    ("pixel art of {} wearing a cap and a yellow shirt",
     {"style": "pixel art", "hat": "cap", "shirt": "yellow"}),
    ("photo of {} in a white shirt, orange background",
     {"style": "photo", "shirt": "white", "background": "orange"}),
)  # fmt: skip
_SCENE_SEEDS = 2


def recipe_of(case: Case) -> Recipe:
    """The preset for the mini model, with or without class images."""
    recipe = recipe_for("mini", method="lora" if case.method == "lora" else "full")
    changes = {"seed": 1000 + case.seed, **({} if case.prior else {"prior_weight": 0.0})}
    return recipe.model_copy(update=changes)


class Studio:
    """Trains and draws; what the base draws of the class is read once."""

    def __init__(self, pool: Path) -> None:
        self._pool = pool
        self._base_readings: list[dict[str, str]] | None = None

    def measure(self, case: Case, recipe: Recipe) -> dict[str, float]:
        """`subject`, `prompt` and `class_spread` of one trained model, each 0 to 1."""
        identity = PERSONS[case.person % len(PERSONS)]
        concept = Concept(name="abraza", photos="photos")
        model = load(str(MINI), pick_device(), torch.float32)
        if self._base_readings is None:
            self._base_readings = _class_readings(model, concept)
        photos = photo_set(identity, _PHOTOS, seed=100 + case.person, size=model.resolution)
        _train(model, photos, concept, recipe, self._pool)
        return {
            "subject": _subject(model, concept, identity),
            "prompt": _prompt(model, concept),
            "class_spread": overlap(self._base_readings, _class_readings(model, concept)),
        }


def _train(model: Model, photos: Sequence[Image.Image], concept: Concept, recipe: Recipe, pool: Path) -> None:
    prior = None
    if recipe.prior_weight > 0:
        prompt = concept.class_prompt
        images = class_images(model, prompt, pool, recipe, lambda _: None, lambda: None)
        prior = encode(model, images, [prompt] * len(images))
    instance = encode(model, photos, [concept.instance_prompt] * len(photos))
    dreambooth = DreamBooth(model, recipe, instance, prior)
    assert recipe.steps is not None
    while dreambooth.done < recipe.steps:
        dreambooth.step()
    dreambooth.release()
    model.freeze()


def _subject(model: Model, concept: Concept, identity: Mapping[str, str]) -> float:
    """Share of the identity's attributes that are read in pictures of the person."""
    readings = _readings(model, [concept.instance_prompt] * _PORTRAITS, first_seed=0)
    return _share([(reading, identity) for reading in readings])


def _prompt(model: Model, concept: Concept) -> float:
    """Share of what was asked around the person that is read."""
    subject = f"{concept.name} {concept.class_name}"
    scenes = [scene for scene in _SCENES for _ in range(_SCENE_SEEDS)]
    readings = _readings(model, [text.format(subject) for text, _ in scenes], first_seed=500)
    return _share([(reading, asked) for reading, (_, asked) in zip(readings, scenes, strict=True)])


def _class_readings(model: Model, concept: Concept) -> list[dict[str, str]]:
    return _readings(model, [concept.class_prompt] * _CLASS_PICTURES, first_seed=9000)


def _readings(model: Model, prompts: Sequence[str], first_seed: int) -> list[dict[str, str]]:
    brush = Brush(_STEPS, 7.5, model.resolution, model.resolution)
    pictures: list[Image.Image] = []
    for start in range(0, len(prompts), _BATCH):
        batch = prompts[start : start + _BATCH]
        seeds = range(first_seed + start, first_seed + start + len(batch))
        pictures += draw(model, batch, [""] * len(batch), seeds, brush, lambda _: None)
    return read_many(pictures)


def _share(cases: Sequence[tuple[Mapping[str, str], Mapping[str, str]]]) -> float:
    hits = [reading.get(name) == value for reading, asked in cases for name, value in asked.items()]
    return sum(hits) / len(hits)


def overlap(before: Sequence[Mapping[str, str]], after: Sequence[Mapping[str, str]]) -> float:
    """How far the distributions of identity attributes agree: 1 less their total variation distance, mean."""
    shares = []
    for name in IDENTITY:
        counts = [Counter(reading.get(name, "") for reading in readings) for readings in (before, after)]
        common = [min(counts[0][value] / len(before), counts[1][value] / len(after)) for value in counts[0]]
        shares.append(sum(common))
    return sum(shares) / len(shares)
