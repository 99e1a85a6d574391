"""The name that a person gives their subject."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from trainer.errors import TrainError
from trainer.spec import NAME_PATTERN

_COMMON = Path(__file__).with_name("common_words.txt")


def check_name(name: str) -> None:
    """Raise TrainError(bad_name) unless a name is 2-16 letters and digits."""
    if not NAME_PATTERN.fullmatch(name):
        raise TrainError("bad_name", f"The name {name!r} must be 2 to 16 letters and digits, like abraza.")


def is_common_word(name: str, tokenizer: Path | None = None) -> bool:
    """Whether a name already means something, so that training must fight what the model knows.

    True for an everyday word or first name, and for any word that is one token of the base's
    vocabulary (`vocab.json` in the folder `tokenizer`).
    """
    word = name.lower()
    if word in _common_words():
        return True
    vocabulary = tokenizer / "vocab.json" if tokenizer else None
    return vocabulary is not None and vocabulary.is_file() and f"{word}</w>" in _vocabulary(vocabulary)


@cache
def _common_words() -> frozenset[str]:
    return frozenset(_COMMON.read_text(encoding="utf-8").split())


@cache
def _vocabulary(file: Path) -> frozenset[str]:
    return frozenset(json.loads(file.read_text(encoding="utf-8")))
