"""Which plan a GPU's memory gets."""

from __future__ import annotations

import pytest

from trainer.memory import Hardware, ModelSize, choose_plan
from trainer.spec import Recipe

SD15 = ModelSize(unet=860_000_000, text_encoder=123_000_000, vae=84_000_000, resolution=512)


@pytest.mark.parametrize(
    ("free", "recipe", "name", "method"),
    [
        (80, {}, "roomy", "full"),
        (12, {}, "eight-bit", "full"),
        (8, {}, "lora", "lora"),
        (5, {}, "lora-lean", "lora"),
        (80, {"method": "lora"}, "lora", "lora"),
        (80, {"memory": "lora-lean"}, "lora-lean", "lora"),
        (12, {"memory": "roomy"}, "roomy", "full"),
    ],
)
def test_the_first_plan_that_fits_is_taken(
    free: float, recipe: dict[str, object], name: str, method: str
) -> None:
    plan = choose_plan(Recipe.model_validate(recipe), SD15, Hardware(free))
    assert (plan.name, plan.method, plan.free_gib) == (name, method, free)
    assert plan.precision == "bf16"
    assert recipe or plan.needed_gib < free


def test_a_change_of_method_and_a_lack_of_memory_are_said() -> None:
    smaller = choose_plan(Recipe(), SD15, Hardware(8))
    assert any("LoRA" in note for note in smaller.notes)
    assert not choose_plan(Recipe(memory="lora"), SD15, Hardware(80)).notes
    hopeless = choose_plan(Recipe(), SD15, Hardware(1))
    assert hopeless.name == "lora-lean"
    assert any("too little memory" in note for note in hopeless.notes)


def test_what_the_recipe_insists_on_wins() -> None:
    recipe = Recipe(precision="fp32", gradient_checkpointing=True, optimizer="adamw")
    plan = choose_plan(recipe, SD15, Hardware(80))
    assert (plan.precision, plan.gradient_checkpointing, plan.optimizer) == ("fp32", True, "adamw")


def test_without_bitsandbytes_there_is_no_eight_bit_plan() -> None:
    lame = Hardware(12, eight_bit_problem="bitsandbytes is not installed")
    assert choose_plan(Recipe(), SD15, lame).method == "lora"
    asked = choose_plan(Recipe(memory="eight-bit"), SD15, lame)
    assert asked.optimizer == "adamw"
    assert any("bitsandbytes is not installed" in note for note in asked.notes)


def test_an_older_gpu_trains_in_fp16() -> None:
    assert choose_plan(Recipe(), SD15, Hardware(15, half="fp16")).precision == "fp16"


def test_the_cpu_trains_in_single_precision_as_asked() -> None:
    plan = choose_plan(Recipe(method="lora", optimizer="adamw8bit"), SD15, Hardware())
    assert (plan.name, plan.method, plan.precision, plan.optimizer) == ("cpu", "lora", "fp32", "adamw")
    assert plan.notes


def test_more_pictures_and_pixels_take_more() -> None:
    def needed(**recipe: object) -> float:
        asked = Recipe.model_validate({"memory": "roomy", **recipe})
        return choose_plan(asked, SD15, Hardware(80)).needed_gib

    assert needed(batch_size=8) > needed(batch_size=2) > needed(batch_size=2, gradient_checkpointing=True)
    assert needed(train_text_encoder=False) < needed()
