"""A whole job in this process, where a turn of events must be forced."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from pydantic import BaseModel

from inference.bases import MINI, look_up
from inference.lora import is_lora
from tests.models import write_lora
from tests.training import QUICK, make_job
from trainer.events import (
    Cancelled,
    Checkpoint,
    Done,
    Failed,
    PhaseProgress,
    Preview,
    Progress,
    Sample,
    Started,
    Strip,
)
from trainer.job import JobFolder
from trainer.run import run_job


def test_training_ends_when_the_likeness_rises_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.previews.has_peaked", lambda measures: len(measures) == 2)
    monkeypatch.chdir(MINI)
    recipe = QUICK.model_copy(
        update={
            "early_stop": True,
            "preview_every": 3,
            "method": "lora",
            "lora_learning_rate": 3e-3,
            "vae": "vae",
        }
    )
    events: list[BaseModel] = []
    assert run_job(make_job(tmp_path / "job", recipe), events.append, lambda: False)
    done = events[-1]
    assert isinstance(done, Done)
    # Steps 2 and 3 of 8 are the first where previews are due: a quarter, and the third.
    assert (done.steps, done.stopped_early, done.method) == (3, True, "lora")
    previews = [event for event in events if isinstance(event, Preview)]
    assert [(event.step, event.likeness is None) for event in previews] == [(0, True), (2, False), (3, False)]
    assert sum(isinstance(event, Strip) for event in events) == 2
    assert not any(isinstance(event, Progress) and event.step > 3 for event in events)
    # The model is used elsewhere, and must find its VAE from there.
    assert json.loads((tmp_path / "job/model/lora.json").read_text())["vae"] == str(MINI / "vae")


def test_what_a_kill_after_the_end_left_is_removed_the_next_time(tmp_path: Path) -> None:
    folder = JobFolder(make_job(tmp_path / "job", QUICK))
    done = Done(model="m", samples=(), steps=1, seconds=1, step_seconds=1, peak_memory_gib=1)
    folder.finish([done])
    folder.checkpoint.write_bytes(b"many gigabytes")
    events: list[BaseModel] = []
    assert run_job(folder.root, events.append, lambda: False)
    assert events == [done]
    assert not folder.checkpoint.exists()


def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    events: list[BaseModel] = []
    assert not run_job(tmp_path / "nowhere", events.append, lambda: False)
    (failed,) = events
    assert isinstance(failed, Failed) and failed.code == "bad_job"


def test_a_last_preview_that_is_stopped_again_and_again_still_comes(tmp_path: Path) -> None:
    recipe = QUICK.model_copy(update={"steps": 2, "preview_every": 0, "samples": 1, "learning_rate": 1e-3})
    job = make_job(tmp_path / "job", recipe)

    def run_until(kind: type[BaseModel] | None) -> BaseModel:
        events: list[BaseModel] = []
        run_job(job, events.append, lambda: any(type(event) is kind for event in events))
        return events[-1]

    # The last step's report comes before its preview, the start of a resumed run before the one it lacks.
    assert run_until(Progress) == Cancelled(step=2)
    assert run_until(Started) == Cancelled(step=2)
    assert isinstance(run_until(None), Done)


def test_the_longest_prompt_and_the_last_seed_are_drawn_in_the_end(tmp_path: Path) -> None:
    prompt = 100 * "abraza person, "  # a name is longer than the `me` that it stands for
    recipe = QUICK.model_copy(
        update={
            "steps": 1, "preview_every": 0, "class_images": 0, "learning_rate": 1e-2, "seed": 2**32 - 1,
            "sample_prompts": (prompt,),
        }
    )  # fmt: skip
    events: list[BaseModel] = []
    assert run_job(make_job(tmp_path / "job", recipe), events.append, lambda: False)
    assert [event.seed for event in events if isinstance(event, Sample)] == [2**32 - 1, 0]


@pytest.mark.parametrize("asked", [{"method": "lora"}, {"memory": "lora"}])
def test_a_lora_on_a_lora_is_refused_before_the_first_step(tmp_path: Path, asked: dict[str, str]) -> None:
    recipe = QUICK.model_copy(update={"class_images": 0, **asked})
    events: list[BaseModel] = []
    job = make_job(tmp_path / "job", recipe, base=str(write_lora(tmp_path / "lora")))
    assert not run_job(job, events.append, lambda: False)
    assert isinstance(events[-1], Failed) and events[-1].code == "lora_as_base"
    assert not any(isinstance(event, Started) for event in events)


def test_a_lora_is_trained_on_in_full(tmp_path: Path) -> None:
    recipe = QUICK.model_copy(update={"class_images": 0, "steps": 2, "samples": 1, "learning_rate": 1e-3})
    events: list[BaseModel] = []
    job = make_job(tmp_path / "job", recipe, base=str(write_lora(tmp_path / "lora")))
    assert run_job(job, events.append, lambda: False), events[-1]
    assert not is_lora(job / "model") and look_up(str(job / "model")).base.preset == "mini"


def test_a_job_may_ask_for_no_samples(tmp_path: Path) -> None:
    recipe = QUICK.model_copy(
        update={"steps": 1, "preview_every": 0, "class_images": 0, "learning_rate": 1e-2, "samples": 0}
    )
    events: list[BaseModel] = []
    assert run_job(make_job(tmp_path / "job", recipe), events.append, lambda: False)
    assert isinstance(events[-1], Done) and events[-1].samples == ()


def test_a_vae_that_does_not_fit_is_said_before_anything_is_drawn(tmp_path: Path) -> None:
    recipe = QUICK.model_copy(update={"vae": str(tmp_path / "nothing")})
    events: list[BaseModel] = []
    assert not run_job(make_job(tmp_path / "job", recipe), events.append, lambda: False)
    assert isinstance(events[-1], Failed) and events[-1].code == "bad_vae"
    assert {event.phase for event in events if isinstance(event, PhaseProgress)} == {"load"}


def test_a_disk_without_room_for_the_model_is_said_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(2**40, 2**40, 2**20))
    job = make_job(tmp_path / "job", QUICK.model_copy(update={"class_images": 0}))
    events: list[BaseModel] = []
    assert not run_job(job, events.append, lambda: False)
    assert isinstance(events[-1], Failed) and events[-1].code == "disk_full"
    assert not any(isinstance(event, Started) for event in events)


def test_a_run_that_learns_nothing_fails(tmp_path: Path) -> None:
    recipe = QUICK.model_copy(
        update={"learning_rate": 1e-12, "steps": 2, "preview_every": 0, "class_images": 0}
    )
    job = make_job(tmp_path / "job", recipe)
    events: list[BaseModel] = []
    assert not run_job(job, events.append, lambda: False)
    assert isinstance(events[-1], Failed) and events[-1].code == "learned_nothing"
    assert not (job / "model").exists()


def test_a_loss_that_is_no_number_stops_before_a_checkpoint(tmp_path: Path) -> None:
    recipe = QUICK.model_copy(update={"learning_rate": 1e30, "steps": 40, "preview_every": 0})
    job = make_job(tmp_path / "job", recipe)
    events: list[BaseModel] = []
    assert not run_job(job, events.append, lambda: False)
    assert isinstance(events[-1], Failed) and events[-1].code == "loss_not_finite"
    assert not (job / "checkpoint.pt").exists()
    assert not (job / "model").exists()


def test_a_disk_that_is_full_for_a_moment_costs_a_checkpoint_and_pictures_but_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("trainer.learn._CHECKPOINT_SHARE", float("inf"))
    job = make_job(tmp_path / "job", QUICK.model_copy(update={"checkpoint_seconds": 1e-6}))
    # The device that is always full stands where each of these is written first.
    (job / "previews").mkdir()
    for file in ("checkpoint.pt", "loss.png", "previews/00000.png"):
        (job / f"{file}.incoming").symlink_to("/dev/full")
    events: list[BaseModel] = []
    assert run_job(job, events.append, lambda: False), events[-1]
    assert isinstance(events[-1], Done)
    assert any(isinstance(event, Checkpoint) for event in events)
    assert caplog.text.count("the disk is full") == 3
    assert list(job.rglob("*.incoming")) == []
