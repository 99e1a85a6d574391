"""A job's folder, and the command that fills it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from trainer.errors import Stopped, TrainError
from trainer.events import Done
from trainer.job import JobFolder, write_job
from trainer.spec import Concept, TrainSpec

SPEC = TrainSpec(base="mini", concepts=(Concept(name="abraza", photos="photos/abraza"),))
DONE = Done(model="m", samples=(), steps=1, seconds=1, step_seconds=1, peak_memory_gib=1)


def test_a_written_job_reads_back(tmp_path: Path) -> None:
    write_job(tmp_path, SPEC, {"photos/abraza": [Image.new("RGB", (96, 96))] * 3})
    assert JobFolder(tmp_path).spec() == SPEC
    assert len(list((tmp_path / "photos/abraza").iterdir())) == 3


@pytest.mark.parametrize("content", [None, b"{", b'{"base": "mini"}', b'{"base": 1, "concepts": []}'])
def test_a_broken_job_is_a_clear_error(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "job.json").write_bytes(content)
    with pytest.raises(TrainError, match=r"job\.json") as caught:
        JobFolder(tmp_path).spec()
    assert caught.value.code == "bad_job"


def test_only_a_finished_job_has_an_outcome(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    assert folder.outcome() is None
    folder.finish([DONE])
    assert folder.outcome() == [DONE]


def test_a_job_in_use_waits_until_it_is_asked_to_stop(tmp_path: Path) -> None:
    answers = iter([False, True])
    with (
        JobFolder(tmp_path).locked(lambda: False),
        pytest.raises(Stopped),
        JobFolder(tmp_path).locked(lambda: next(answers)),
    ):
        pytest.fail("two processes held the same job")
    with JobFolder(tmp_path).locked(lambda: True):
        pass
