"""A whole job in this process, where a turn of events must be forced."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from tests.training import QUICK, make_job
from trainer.events import Done, Failed, Preview, Progress, Strip
from trainer.job import JobFolder
from trainer.run import run_job


def test_training_ends_when_the_likeness_rises_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.previews.has_peaked", lambda measures: len(measures) == 2)
    recipe = QUICK.model_copy(
        update={"early_stop": True, "preview_every": 3, "method": "lora", "lora_learning_rate": 3e-3}
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
