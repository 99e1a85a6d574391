"""The training loop: steps, reports, checkpoints, and the end when it is asked to stop."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable
from pathlib import Path

import torch
from pydantic import BaseModel

from data.disk import if_there_is_room
from trainer.charts import draw_loss
from trainer.checkpoints import CheckpointFile
from trainer.dreambooth import DreamBooth
from trainer.errors import Stopped, TrainError
from trainer.events import LossPlot, Progress
from trainer.previews import Watcher

_REPORT_STEPS = 10
_PLOT_REPORTS = 4
_CHECKPOINT_SHARE = 0.05
"""Most of the training time that checkpoints may hold it up."""


class Loop:
    """Trains up to a step, and keeps what is told about it on the way."""

    def __init__(
        self,
        dreambooth: DreamBooth,
        steps: int,
        watcher: Watcher,
        checkpoints: CheckpointFile,
        *,
        loss_plot: Path,
        emit: Callable[[BaseModel], None],
        stop: Callable[[], bool],
    ) -> None:
        self.losses: list[tuple[int, float]] = []
        """Mean loss at the step of each report."""
        self.step_seconds = 0.0
        self._dreambooth = dreambooth
        self._steps = steps
        self._watcher = watcher
        self._checkpoints = checkpoints
        self._emit = emit
        self._stop = stop
        self._loss_plot = loss_plot
        self._watched = True
        self._pace = Pace(0.0, 0)

    def resume(self) -> None:
        """Go on from the checkpoint."""
        state = self._checkpoints.load(self._dreambooth.device)
        self._dreambooth.restore(state)
        self.losses = [(int(step), float(loss)) for step, loss in state["losses"]]
        self._watcher.measures = [float(measure) for measure in state["measures"]]
        self._watched = bool(state["watched"])

    def run(self, checkpoint_seconds: float) -> bool:
        """Train, and return whether it ended before the last step because likeness rose no more.

        Raises Stopped, with the step of the newest checkpoint, when `stop` says so, and
        TrainError(loss_not_finite) before a checkpoint could keep the damage.
        """
        saved = time.monotonic()
        interval = checkpoint_seconds
        self._pace = Pace(saved, self._dreambooth.done)
        enough = self._watcher.peaked if self._watched else self._watch()
        if not self._watched:  # the checkpoint knows that it is still to be drawn
            raise Stopped(self._dreambooth.done)
        while self._dreambooth.done < self._steps and not enough:
            self._dreambooth.step()
            if self._dreambooth.done % _REPORT_STEPS == 0 or self._dreambooth.done == self._steps:
                self._report()
            enough = self._watch()
            self._checkpoints.poll()
            stopping = self._stop()
            if stopping or time.monotonic() - saved >= interval:
                cost = self._save()
                saved = time.monotonic()
                interval = max(checkpoint_seconds, cost / _CHECKPOINT_SHARE)
            if stopping:
                self._checkpoints.wait()
                raise Stopped(self._checkpoints.step)
        self._checkpoints.wait()
        self.step_seconds = self._pace.seconds
        return enough and self._dreambooth.done < self._steps

    def _report(self) -> None:
        done = self._dreambooth.done
        loss = self._note_loss()
        seconds = self._pace.at(time.monotonic(), done)
        left = seconds * (self._steps - done)
        self._emit(Progress(step=done, steps=self._steps, loss=loss, step_seconds=seconds, seconds_left=left))
        if len(self.losses) % _PLOT_REPORTS == 0 or done == self._steps:
            with if_there_is_room("the plot of the loss"):
                draw_loss(self.losses, self._steps, self._loss_plot)
                self._emit(LossPlot(path=str(self._loss_plot)))

    def _watch(self) -> bool:
        """A stop must not wait for a preview: the step is done, and drawing it can be repeated."""
        began = time.monotonic()
        if self._dreambooth.unread and self._watcher.due(self._dreambooth.done):
            self._note_loss()  # a broken model can't be drawn: that it broke is the reason to give
        self._watched = False
        try:
            enough = self._watcher.after(self._dreambooth.done, self._check_stop)
        except _Interrupted:
            return False
        else:
            self._watched = True
            return enough
        finally:
            self._pace.pause(time.monotonic() - began)

    def _check_stop(self) -> None:
        if self._stop():
            raise _Interrupted

    def _save(self) -> float:
        """Take a checkpoint and return the seconds that training waited for it."""
        began = time.monotonic()
        if self._dreambooth.unread:
            self._note_loss()
        state = {
            **self._dreambooth.state(),
            "losses": self.losses,
            "measures": self._watcher.measures,
            "watched": self._watched,
        }
        self._checkpoints.save(state)
        return time.monotonic() - began

    def _note_loss(self) -> float:
        """The mean loss since the last time. Raises TrainError(loss_not_finite)."""
        loss = self._dreambooth.mean_loss()
        if not math.isfinite(loss):
            step = self._dreambooth.done
            message = f"The loss was no longer a number at step {step}; a lower learning rate helps."
            raise TrainError("loss_not_finite", message)
        self.losses.append((self._dreambooth.done, loss))
        return loss


class _Interrupted(Exception):
    """Raised through a preview that is no longer wanted."""


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

    def pause(self, seconds: float) -> None:
        """Leave out time that went into something else."""
        began, first = self._since
        self._since = (began + seconds, first)


def peak_memory_gib(device: torch.device) -> float:
    """Peak memory in GiB: of the GPU, or of this process where there is none."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
