"""What is shown of a training, and when likeness has risen far enough."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from data.toys import photo_set
from inference.bases import MINI
from inference.model import load
from trainer.charts import draw_loss, draw_strip
from trainer.dreambooth import encode
from trainer.job import JobFolder
from trainer.likeness import Likeness, has_peaked
from trainer.previews import Previews
from trainer.spec import Concept, Recipe, TrainSpec

PERSON = {"hair_colour": "red", "hair_style": "long", "skin": "pale", "glasses": "square", "beard": "none"}
OTHER = {"hair_colour": "black", "hair_style": "bald", "skin": "dark", "glasses": "none", "beard": "goatee"}


@pytest.mark.parametrize(
    ("recipe", "steps"),
    [
        ({}, [0, 25, 50, 75, 100]),
        ({"preview_every": 40}, [0, 25, 40, 50, 75, 80, 100]),
        ({"preview_every": 0}, [0, 100]),
    ],
)
def test_previews_come_at_the_quarters_and_as_often_as_asked(
    recipe: dict[str, int], steps: list[int], tmp_path: Path
) -> None:
    spec = TrainSpec(
        base="mini",
        concepts=(Concept(name="abraza", photos="p"),),
        recipe=Recipe.model_validate(recipe),
    )
    previews = Previews(JobFolder(tmp_path), spec, None, 100, lambda _: None)
    assert [step for step in range(101) if previews.due(step)] == steps


def test_a_strip_shows_its_pictures_in_their_order(tmp_path: Path) -> None:
    for name in ("red", "blue"):
        Image.new("RGB", (96, 96), name).save(tmp_path / f"{name}.png")
    draw_strip([(name, tmp_path / f"{name}.png") for name in ("red", "blue")], tmp_path / "strip.png")
    with Image.open(tmp_path / "strip.png") as strip:
        middle = strip.height // 2
        assert strip.getpixel((strip.width // 4, middle)) == (255, 0, 0)
        assert strip.getpixel((3 * strip.width // 4, middle)) == (0, 0, 255)


@pytest.mark.parametrize("losses", [[(10, 0.5)], [(10, 0.5), (20, 0.4), (30, 0.1)], [(10, 0.0)]])
def test_any_course_of_the_loss_is_drawn(losses: list[tuple[int, float]], tmp_path: Path) -> None:
    draw_loss(losses, 40, tmp_path / "loss.png")
    with Image.open(tmp_path / "loss.png") as plot:
        assert len(plot.getcolors(100_000)) > 3


def test_likeness_tells_a_person_from_others() -> None:
    model = load(str(MINI), torch.device("cpu"), torch.float32)

    def latents(identity: dict[str, str], seed: int):
        return encode(model, photo_set(identity, 6, seed, size=96), [""] * 6)

    likeness = Likeness(latents(PERSON, 1), latents(OTHER, 1))
    assert likeness.of(latents(PERSON, 2)) > 0.3 > 0.1 > likeness.of(latents(OTHER, 2))


def test_a_likeness_that_rises_no_more_has_peaked() -> None:
    assert not has_peaked([0.1, 0.2, 0.3])
    assert not has_peaked([0.1, 0.2, 0.3, 0.4, 0.5])
    assert has_peaked([0.1, 0.5, 0.5, 0.49, 0.505])
