"""A class is understood by its noun."""

from __future__ import annotations

import pytest

from trainer.subjects import kind_of


@pytest.mark.parametrize(
    "class_name",
    [
        "person", "Person", "old man", "young woman", "kid", "kids", "twin sisters", "policewoman", "firemen",
        "man with a dog", "lady in red", "face", "woman face", "children", "baby",
    ],
)  # fmt: skip
def test_people_have_a_face_to_look_for(class_name: str) -> None:
    assert kind_of(class_name) == "person"


@pytest.mark.parametrize("class_name", ["cat", "Kitten", "two cats", "black cat", "cat face", "cat in a hat"])
def test_cats_have_one_of_their_own(class_name: str) -> None:
    assert kind_of(class_name) == "cat"


@pytest.mark.parametrize(
    "class_name",
    ["dog", "baby elephant", "man cave", "snowman", "Doberman", "cat food", "dog face", "with", "", "猫"],
)
def test_what_the_noun_does_not_name_is_not_looked_for(class_name: str) -> None:
    assert kind_of(class_name) is None
