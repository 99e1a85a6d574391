"""What a job may ask, and the names that it may use."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from inference.bases import MINI
from trainer.errors import TrainError
from trainer.names import check_name, is_common_word
from trainer.spec import Concept, Recipe, TrainSpec, steps_for


@pytest.mark.parametrize(("photos", "steps"), [(3, 400), (6, 700), (9, 1000), (10, 1000), (20, 2000)])
def test_the_lessons_rule_for_steps(photos: int, steps: int) -> None:
    assert steps_for(photos, Recipe()) == steps


def test_asked_steps_win_over_the_rule() -> None:
    assert steps_for(6, Recipe(steps=50)) == 50


def test_prompts_of_a_concept() -> None:
    concept = Concept(name="abraza", class_name="dog", photos="photos")
    assert concept.instance_prompt == "photo of abraza dog"
    assert concept.class_prompt == "photo of a dog"


def test_a_spec_survives_its_json_form() -> None:
    spec = TrainSpec(base="mini", concepts=(Concept(name="abraza", photos="p"),), recipe=Recipe(steps=7))
    assert TrainSpec.model_validate_json(spec.model_dump_json()) == spec


def test_a_misspelt_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="learning_rat"):
        Recipe.model_validate({"learning_rat": 1e-6})


@pytest.mark.parametrize("name", ["a", "x" * 17, "two words", "naïve", "a/b", "", "名字"])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(TrainError, match="letters and digits") as caught:
        check_name(name)
    assert caught.value.code == "bad_name"


def test_names_that_are_taken() -> None:
    for name in ("ab", "abraza", "R2D2", "x" * 16):
        check_name(name)


def test_ordinary_words_are_known() -> None:
    assert is_common_word("King")
    assert not is_common_word("abraza")


def test_a_word_of_the_bases_vocabulary_is_known() -> None:
    assert is_common_word("moustache", MINI / "tokenizer")
    assert not is_common_word("moustache")
