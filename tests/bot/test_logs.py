"""Logs that other processes write stay bounded, and their writers notice nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.logs import shorten_logs
from data.files import FileStore


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileStore:
    monkeypatch.setattr("bot.logs.LOG_BYTES", 1000)
    return FileStore(tmp_path)


def test_a_process_goes_on_writing_into_a_log_that_was_emptied(files: FileStore) -> None:
    log = files.logs / "inference.log"
    with log.open("ab", buffering=0) as writer:  # as a child's stderr is opened
        writer.write(b"early\n" + b"x" * 990 + b"late\n")
        shorten_logs(files)
        assert log.stat().st_size == 0
        before = (files.logs / "inference.log.1").read_bytes()
        assert len(before) == 1000 and before.endswith(b"late\n")
        writer.write(b"afterwards\n")
    assert log.read_bytes() == b"afterwards\n"


def test_a_job_may_end_while_logs_are_looked_at(files: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for job in (1, 2):
        files.job(job).mkdir()
        (files.job(job) / "trainer.log").touch()
    (files.jobs / "stray file").touch()

    def meanwhile(_log: Path, _most: int) -> None:
        for job in (1, 2):
            files.remove(files.job(job))

    monkeypatch.setattr("bot.logs.shorten", meanwhile)
    shorten_logs(files)
    assert not files.job(1).exists()


def test_logs_of_running_jobs_are_among_them_and_what_is_small_or_the_bots_own_is_left(
    files: FileStore,
) -> None:
    files.job(1).mkdir()
    files.handover(2).mkdir()
    long = [files.job(1) / "trainer.log", files.handover(2) / "export.log", files.logs / "training-3.log"]
    left = [files.logs / "bot.log", files.logs / "intake.log"]
    for log in (*long, left[0]):
        log.write_bytes(bytes(1001))
    left[1].write_bytes(bytes(1000))
    shorten_logs(files)
    assert [log.stat().st_size for log in long] == [0, 0, 0]
    assert [log.stat().st_size for log in left] == [1001, 1000]
    assert not list(files.logs.glob("bot.log.*"))
