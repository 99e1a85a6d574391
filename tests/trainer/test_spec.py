"""What a job may ask, and the names that it may use."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from inference.bases import BASES, MINI
from inference.errors import ModelError
from tests.bases import copy_mini
from tests.models import write_lora
from trainer.errors import TrainError
from trainer.names import check_name, is_common_word
from trainer.presets import Preset, check_method, recipe_for
from trainer.spec import Concept, Recipe, TrainSpec, sample_prompts, steps_for


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


def test_jobs_from_before_several_sample_prompts_are_read() -> None:
    assert Recipe.model_validate({"sample_prompt": "oil painting"}).sample_prompts == ("oil painting",)
    assert Recipe.model_validate({"sample_prompt": None}).sample_prompts == ()


def test_samples_take_their_prompts_in_turn() -> None:
    concepts = tuple(Concept(name=name, photos=name) for name in ("abraza", "mirelu"))
    spec = TrainSpec(base="mini", concepts=concepts, recipe=Recipe(samples=3))
    assert [prompt.split()[2] for prompt in sample_prompts(spec)] == ["abraza", "mirelu", "abraza"]
    asked = spec.model_copy(update={"recipe": Recipe(samples=1, sample_prompts=("one", "two"))})
    assert sample_prompts(asked) == ("one", "two")
    assert sample_prompts(spec.model_copy(update={"recipe": Recipe(samples=0)})) == ()


def test_two_subjects_need_two_names() -> None:
    with pytest.raises(ValidationError, match="same name"):
        TrainSpec(
            base="mini", concepts=(Concept(name="abraza", photos="a"), Concept(name="Abraza", photos="b"))
        )


@pytest.mark.parametrize("preset", get_args(Preset))
@pytest.mark.parametrize("base", [*BASES, "own"])
def test_every_preset_suits_every_base(
    base: str, preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_mini(tmp_path / "own", unet={"layers_per_block": 2})
    monkeypatch.chdir(tmp_path)
    recipe = recipe_for(base, preset, method="lora")
    assert recipe.method == "lora"
    assert Recipe.model_validate(recipe.model_dump()) == recipe
    assert (recipe.vae is not None) == (base in ("sd15", "sd21-base", "sd21"))
    # The mini model learns in far larger steps.
    assert (recipe_for(base, preset).learning_rate > 1e-5) == (base == "mini")


def test_a_model_shaped_like_mini_gets_its_recipe_and_its_lora_too(tmp_path: Path) -> None:
    folder = str(copy_mini(tmp_path / "imported"))
    assert recipe_for(folder) == recipe_for("mini")
    lora = str(write_lora(tmp_path / "lora", base=folder))
    assert recipe_for(lora) == recipe_for("mini", method="full")


def test_a_lora_is_no_base_of_another_lora(tmp_path: Path) -> None:
    lora = str(write_lora(tmp_path / "lora"))
    for preset in get_args(Preset):
        assert recipe_for(lora, preset).method == "full"
    with pytest.raises(ModelError, match="--method full") as caught:
        recipe_for(lora, method="lora")
    assert caught.value.code == "lora_as_base"


def test_a_job_whose_base_is_still_to_be_fetched_is_not_refused() -> None:
    check_method("somebody/some-model", "lora")
