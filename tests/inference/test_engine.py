"""The engine draws what the stock pipeline draws, and says what it can't draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image

from inference.bases import MINI
from inference.engine import Engine
from inference.requests import DrawDone, DrawEvent, DrawFailed, DrawProgress, DrawRequest, Picture


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(torch.device("cpu"))


def draw(engine: Engine, out: Path, **changes: object) -> list[DrawEvent]:
    values = {"id": "1", "model": "mini", "prompt": "photo of a cat", "steps": 4, "seed": 11, "count": 2}
    events: list[DrawEvent] = []
    engine.run(
        DrawRequest.model_validate({**values, "out": str(out), **changes}), events.append, lambda: False
    )
    return events


def pixels(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"), dtype=np.int16)


def test_same_pictures_as_the_stock_pipeline(engine: Engine, tmp_path: Path) -> None:
    draw(engine, tmp_path, negative="blue background")
    pipeline = StableDiffusionPipeline.from_pretrained(MINI)
    pipeline.scheduler = DDIMScheduler.from_config(
        pipeline.scheduler.config, clip_sample=False, set_alpha_to_one=False
    )
    for index in range(2):
        stock = pipeline(
            "photo of a cat",
            negative_prompt="blue background",
            num_inference_steps=4,
            guidance_scale=7.5,
            generator=torch.Generator().manual_seed(11 + index),
        ).images[0]
        difference = np.abs(pixels(tmp_path / f"{index}.png") - np.asarray(stock, dtype=np.int16))
        assert difference.max() <= 2


def test_events_tell_each_step_and_each_picture(engine: Engine, tmp_path: Path) -> None:
    events = draw(engine, tmp_path)
    assert [event.step for event in events if isinstance(event, DrawProgress)] == [1, 2, 3, 4]
    pictures = [event for event in events if isinstance(event, Picture)]
    assert [(picture.index, picture.seed) for picture in pictures] == [(0, 11), (1, 12)]
    assert all(Path(picture.path).is_file() for picture in pictures)
    assert isinstance(events[-1], DrawDone)


def test_a_picture_is_the_same_alone_and_in_company(engine: Engine, tmp_path: Path) -> None:
    draw(engine, tmp_path / "pair")
    draw(engine, tmp_path / "alone", seed=12, count=1)
    assert np.abs(pixels(tmp_path / "pair/1.png") - pixels(tmp_path / "alone/0.png")).max() <= 2


def test_parameters_are_in_the_png(engine: Engine, tmp_path: Path) -> None:
    draw(engine, tmp_path, prompt="photo of 猫", negative="dog", count=1)
    with Image.open(tmp_path / "0.png") as image:
        assert image.text["parameters"] == (
            "photo of 猫\nNegative prompt: dog\n"
            "Steps: 4, Sampler: DDIM, CFG scale: 7.5, Seed: 11, Size: 96x96, Model: mini"
        )


def test_other_sizes(engine: Engine, tmp_path: Path) -> None:
    draw(engine, tmp_path, width=64, height=128, count=1)
    assert pixels(tmp_path / "0.png").shape == (128, 64, 3)


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"width": 100}, "bad_size"), ({"model": "sd99"}, "unknown_base")],
)
def test_what_cannot_be_drawn_is_said(
    engine: Engine, tmp_path: Path, changes: dict[str, object], code: str
) -> None:
    events = draw(engine, tmp_path, **changes)
    assert [event.code for event in events if isinstance(event, DrawFailed)] == [code]
    assert not list(tmp_path.iterdir())


def test_a_cancelled_request_stops_at_its_next_step(engine: Engine, tmp_path: Path) -> None:
    events: list[DrawEvent] = []
    request = DrawRequest(id="1", model="mini", prompt="a cat", steps=50, seed=1, out=str(tmp_path))
    engine.run(request, events.append, lambda: len(events) >= 2)
    assert len(events) == 3
    assert isinstance(events[-1], DrawFailed)
    assert events[-1].code == "cancelled"
