"""Toy portraits: pictures that we draw ourselves, with captions, and a reader that checks them."""

from data.toys.caption import caption, evaluation_prompts
from data.toys.dataset import dataset, photo_set, portrait
from data.toys.portrait import SIZE, draw
from data.toys.reader import read, read_many
from data.toys.traits import IDENTITY, Pose, Traits, sample

__all__ = [
    "IDENTITY", "SIZE", "Pose", "Traits", "caption", "dataset", "draw", "evaluation_prompts", "photo_set",
    "portrait", "read", "read_many", "sample",
]  # fmt: skip
