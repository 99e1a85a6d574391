"""A whole job in this process, where a turn of events must be forced."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from tests.training import QUICK, make_job
from trainer.events import Done, Preview, Progress, Strip
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
