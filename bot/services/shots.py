"""The pictures that a job shows of itself, found where GPU work leaves them: a restart loses none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from data.files import FileStore
from data.jobs import Job, JobKind, JobState
from trainer.job import JobFolder


class Shot(NamedTuple):
    """A picture under its name on the card. `stamp` differs when the file was drawn anew."""

    name: str
    path: Path
    stamp: int


def shots_of(files: FileStore, job: Job) -> list[Shot]:
    """What there is to see of a job now, in the order in which its card shows it. Blocking.

    A drawing shows what its pictures look like so far; a training its strip, a preview newer than that,
    and the loss; a finished one the whole strip.
    """
    results = files.pictures(job.id)
    if job.kind is JobKind.draw:
        return [*_shot("sketch.jpg", results / "preview.jpg")] if job.state is JobState.running else []
    if job.state is JobState.done:
        return [*_shot("strip.png", results / "strip.png")]
    if job.state not in (JobState.running, JobState.failed):
        return []
    folder = JobFolder(files.job(job.id))
    strip = [*_shot("strip.png", folder.strip)]
    newest = max(folder.previews.glob("*.png"), default=None)
    preview = [*_shot("preview.png", newest)] if newest else []
    if strip and preview and preview[0].stamp <= strip[0].stamp:
        preview = []  # it is the strip's last
    return [*strip, *preview, *_shot("loss.png", folder.loss_plot)]


def _shot(name: str, path: Path) -> Iterator[Shot]:
    with suppress(OSError):
        yield Shot(name, path, path.stat().st_mtime_ns)
