"""The training loop: steps, reports, checkpoints, and the end when it is asked to stop."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable
from pathlib import Path

import torch
from pydantic import BaseModel

from trainer.dreambooth import DreamBooth
from trainer.errors import Stopped, TrainError
from trainer.events import Checkpoint, Progress

_REPORT_STEPS = 10
_CHECKPOINT_SHARE = 0.05
"""Most of the training time that writing checkpoints may take."""


def learn(
    dreambooth: DreamBooth,
    steps: int,
    *,
    checkpoint: Path,
    checkpoint_seconds: float,
    emit: Callable[[BaseModel], None],
    stop: Callable[[], bool],
) -> float:
    """Train up to step `steps` and return the mean seconds of a step.

    Raises Stopped, after a checkpoint, when `stop` says so, and TrainError(loss_not_finite) before a
    checkpoint could keep the damage.
    """
    started = saved = time.monotonic()
    interval = checkpoint_seconds
    pace = Pace(started, dreambooth.done)
    while dreambooth.done < steps:
        dreambooth.step()
        if dreambooth.done % _REPORT_STEPS == 0 or dreambooth.done == steps:
            loss = _checked_loss(dreambooth)
            seconds = pace.at(time.monotonic(), dreambooth.done)
            left = seconds * (steps - dreambooth.done)
            emit(
                Progress(
                    step=dreambooth.done, steps=steps, loss=loss, step_seconds=seconds, seconds_left=left
                )
            )
        stopping = stop()
        if stopping or time.monotonic() - saved >= interval:
            cost = _save(dreambooth, checkpoint, emit)
            saved = time.monotonic()
            interval = max(checkpoint_seconds, cost / _CHECKPOINT_SHARE)
        if stopping:
            raise Stopped(dreambooth.done)
    return pace.seconds


class Pace:
    """Seconds a step, without the first report's steps as soon as there are others.

    The first ones choose kernels and capture the graph: they would spoil the time that is left.
    """

    def __init__(self, now: float, step: int) -> None:
        self.seconds = 0.0
        """Mean seconds a step at the last report."""
        self._since = (now, step)
        self._warm = False

    def at(self, now: float, step: int) -> float:
        """Take a report at time `now` (of time.monotonic) and return the mean."""
        began, first = self._since
        self.seconds = (now - began) / (step - first)
        if not self._warm:
            self._since, self._warm = (now, step), True
        return self.seconds


def _checked_loss(dreambooth: DreamBooth) -> float:
    loss = dreambooth.mean_loss()
    if not math.isfinite(loss):
        message = f"The loss was no longer a number at step {dreambooth.done}; a lower learning rate helps."
        raise TrainError("loss_not_finite", message)
    return loss


def _save(dreambooth: DreamBooth, file: Path, emit: Callable[[BaseModel], None]) -> float:
    began = time.monotonic()
    if dreambooth.unread:
        _checked_loss(dreambooth)
    dreambooth.save(file)
    emit(Checkpoint(step=dreambooth.done))
    return time.monotonic() - began


def peak_memory_gib(device: torch.device) -> float:
    """Peak memory in GiB: of the GPU, or of this process where there is none."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
