"""Pictures that start from others, drawings in company, previews, and the safety checker."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inference import previews
from inference.bases import MINI
from inference.engine import Engine
from inference.model import load
from inference.previews import fit_colours, picture_of
from inference.requests import DrawDone, DrawEvent, DrawFailed, DrawProgress, DrawRequest, Picture, Preview
from tests.models import write_safety_checker

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(CPU)


def request(out: Path, **changes: object) -> DrawRequest:
    values = {"id": "1", "model": "mini", "prompt": "photo of a person", "steps": 5, "seed": 11, "count": 1}
    return DrawRequest.model_validate({**values, "out": str(out), **changes})


def draw(
    engine: Engine, *requests: DrawRequest, cancelled: Callable[[str], bool] = lambda _: False
) -> list[DrawEvent]:
    events: list[DrawEvent] = []
    engine.run_together(requests, events.append, cancelled)
    return events


def pixels(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"), dtype=np.int16)


def test_a_weak_start_stays_near_its_picture(engine: Engine, tmp_path: Path) -> None:
    start = tmp_path / "start.png"
    Image.new("RGB", (200, 150), "#2050e0").save(start)
    distance = {}
    for strength, steps in ((0.2, 1), (1.0, 5)):
        events = draw(engine, request(tmp_path / str(strength), init=str(start), strength=strength))
        told = [event for event in events if isinstance(event, DrawProgress)]
        assert [event.step for event in told] == list(range(1, steps + 1)) and told[0].steps == steps
        drawn = pixels(tmp_path / str(strength) / "0.png")
        assert drawn.shape == (96, 96, 3)
        distance[strength] = np.abs(drawn - np.array([0x20, 0x50, 0xE0])).mean()
    assert distance[0.2] * 1.5 < distance[1.0]
    draw(engine, request(tmp_path / "again", init=str(start), strength=0.2))
    assert np.array_equal(pixels(tmp_path / "again/0.png"), pixels(tmp_path / "0.2/0.png"))


def test_a_start_that_is_no_picture_is_said(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "start.png").write_text("nothing")
    for name in ("start.png", "nowhere.png"):
        (failed,) = draw(engine, request(tmp_path / "out", init=str(tmp_path / name)))
        assert isinstance(failed, DrawFailed) and failed.code == "bad_init"


def test_company_and_a_cancelled_companion_change_no_picture(engine: Engine, tmp_path: Path) -> None:
    first = request(tmp_path / "first", id="first", count=2)
    second = request(tmp_path / "second", id="second", prompt="a cat", seed=5)
    left = request(tmp_path / "left", id="left", prompt="a dog", seed=6)
    asked: list[str] = []

    def cancelled(name: str) -> bool:
        asked.append(name)
        return name == "left" and asked.count("left") > 2

    events = draw(engine, first, left, second, cancelled=cancelled)
    ends = {event.id: event for event in events if isinstance(event, DrawDone | DrawFailed)}
    assert isinstance(ends["first"], DrawDone) and isinstance(ends["second"], DrawDone)
    assert isinstance(ends["left"], DrawFailed) and ends["left"].code == "cancelled"
    assert not (tmp_path / "left").exists()
    pictures = [(event.id, event.index, event.seed) for event in events if isinstance(event, Picture)]
    assert pictures == [("first", 0, 11), ("first", 1, 12), ("second", 0, 5)]
    draw(engine, request(tmp_path / "alone", prompt="a cat", seed=5))
    assert np.abs(pixels(tmp_path / "alone/0.png") - pixels(tmp_path / "second/0.png")).max() <= 2


def test_too_little_memory_for_all_draws_one_after_the_other(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inference import engine as room

    whole = room.together

    def narrow(model: object, drawings: list[object], *rest: object) -> None:
        if len(drawings) > 1:
            raise torch.OutOfMemoryError
        whole(model, drawings, *rest)

    monkeypatch.setattr(room, "together", narrow)
    events = draw(engine, request(tmp_path / "a", id="a", steps=1), request(tmp_path / "b", id="b", steps=1))
    assert [event.id for event in events if isinstance(event, DrawDone)] == ["a", "b"]


@pytest.mark.parametrize("small", [False, True])
def test_too_little_memory_for_one_is_said_once_all_of_it_was_given_back(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: bool
) -> None:
    from inference import engine as room

    whole = room.together
    held = []

    def narrow(*asked: object) -> None:
        held.append(engine._models.size)
        if small or len(held) == 1:
            raise torch.OutOfMemoryError
        whole(*asked)

    draw(engine, request(tmp_path / "other", steps=1), request(tmp_path / "another", steps=1))
    monkeypatch.setattr(room, "together", narrow)
    end = draw(engine, request(tmp_path / "large", steps=1))[-1]
    assert len(held) == 2
    assert isinstance(end, DrawDone) != small
    if small:
        assert isinstance(end, DrawFailed) and end.code == "out_of_memory"
        assert engine._models.size == 0


def test_a_request_that_can_not_be_drawn_harms_no_other_of_its_batch(engine: Engine, tmp_path: Path) -> None:
    draw(engine, request(tmp_path / "start", steps=1))
    good = request(tmp_path / "good", id="good", init=str(tmp_path / "start/0.png"), steps=2)
    bad = request(tmp_path / "bad", id="bad", init=str(tmp_path / "gone.png"), steps=2)
    ends = [event for event in draw(engine, bad, good) if isinstance(event, DrawDone | DrawFailed)]
    assert [(end.id, type(end)) for end in ends] == [("bad", DrawFailed), ("good", DrawDone)]


def test_previews_are_small_pictures_that_go_when_the_real_ones_come(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "SECONDS", 0.0)
    shown: list[tuple[int, int]] = []
    events: list[DrawEvent] = []

    def emit(event: DrawEvent) -> None:
        events.append(event)
        if isinstance(event, Preview):
            with Image.open(event.path) as image:
                assert image.format == "JPEG"
                shown.append(image.size)

    engine.run(request(tmp_path, previews=True, count=2), emit, lambda: False)
    assert shown == [(192, 96)] * 5
    assert isinstance(events[-1], DrawDone)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.png", "1.png"]


def test_a_preview_has_the_colours_of_the_picture() -> None:
    model = load("mini", CPU, torch.float32)
    colours = fit_colours(model)
    latents = torch.randn(1, 4, 1, 1, generator=torch.Generator().manual_seed(3)).expand(1, 4, 24, 24)
    decoded = model.vae.decode(latents / model.vae.config.scaling_factor).sample[0].mean((1, 2))
    true = ((decoded.clamp(-1, 1) + 1) * 127.5).detach().numpy()
    guess = np.asarray(picture_of(latents, colours, model.scale), np.float32).mean((0, 1))
    assert np.abs(guess - true).max() < 60


@pytest.mark.parametrize("flags", [True, False])
def test_what_the_base_s_checker_flags_is_blurred(engine: Engine, tmp_path: Path, flags: bool) -> None:
    base = tmp_path / "base"
    shutil.copytree(MINI, base)
    write_safety_checker(base, flags=flags)
    draw(engine, request(tmp_path / "plain", model=str(base)))
    events = draw(engine, request(tmp_path / "checked", model="mini", base=str(base), check_safety=True))
    assert [event.flagged for event in events if isinstance(event, Picture)] == [flags]
    plain, checked = (pixels(tmp_path / name / "0.png") for name in ("plain", "checked"))
    if flags:
        edges = [np.abs(np.diff(picture, axis=0)).max() for picture in (plain, checked)]
        assert edges[1] * 4 < edges[0]
    else:
        assert np.array_equal(plain, checked)
