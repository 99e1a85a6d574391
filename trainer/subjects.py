"""What kind of being a class names, understood by its noun: an "old man" is a person, a "Kitten" a cat."""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["person", "cat"]
"""Those whose faces can be looked for, see `trainer.faces`."""

_FACES = frozenset(("face", "portrait", "selfie"))
"""The word before such a noun says whose: a "cat face"."""
_CATS = frozenset(("cat", "kitten", "kitty", "tomcat", "tabby"))
_PEOPLE = _FACES | {
    "person", "people", "human", "adult", "man", "men", "woman", "women", "guy", "gal", "dude", "lad", "lass",
    "lady", "ladies", "gentleman", "gent", "girl", "boy", "child", "children", "kid", "baby", "babies",
    "toddler", "infant", "newborn", "teen", "teenager", "senior", "mother", "mom", "mum", "father", "dad",
    "parent", "son", "daughter", "brother", "sister", "sibling", "twin", "grandmother", "grandma", "granny",
    "grandfather", "grandpa", "grandson", "granddaughter", "grandchild", "uncle", "aunt", "nephew", "niece",
    "cousin", "husband", "wife", "bride", "groom", "boyfriend", "girlfriend", "friend", "celebrity",
    "actor", "actress", "singer", "musician", "dancer", "artist", "model", "writer", "player", "athlete",
    "boxer", "wrestler", "bodybuilder", "doctor", "nurse", "teacher", "student", "scientist", "engineer",
    "driver", "pilot", "sailor", "soldier", "officer", "farmer", "chef", "waiter", "waitress", "worker",
    "astronaut", "king", "queen", "prince", "princess", "knight", "monk", "nun", "priest", "pirate", "boss",
}  # fmt: skip
_PERSON_ENDS = ("man", "men", "woman", "women", "boy", "girl")
_NOBODY = frozenset(
    ("snowman", "talisman", "ottoman", "doberman", "caiman", "specimen", "abdomen", "ramen", "cyclamen")
)
"""Nouns that end like a person's."""
_AFTER_THE_NOUN = frozenset(("with", "in", "of", "from", "on", "at", "and", "or", "who", "wearing"))


def kind_of(class_name: str) -> Kind | None:
    """The kind of a class such as "young woman"; None for everything that has no face to look for."""
    words = re.findall(r"[a-z]+", class_name.lower())
    end = next((place for place, word in enumerate(words) if word in _AFTER_THE_NOUN), len(words))
    phrase = words[:end]
    if len(phrase) > 1 and phrase[-1] in _FACES:
        phrase.pop()
    return _kind(phrase[-1]) if phrase else None


def _kind(noun: str) -> Kind | None:
    for word in (noun, noun.removesuffix("s")):
        if word in _CATS:
            return "cat"
        if word in _PEOPLE or (word.endswith(_PERSON_ENDS) and word not in _NOBODY):
            return "person"
    return None
