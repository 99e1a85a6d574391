"""What is worth writing down of work under way."""

from __future__ import annotations

import time
from collections.abc import Callable

from trainer.events import Checkpoint, PhaseProgress, Started, TrainEvent

_SECONDS = 0.5


class Throttle:
    """Lets a report through when its phase is new or `seconds` have passed since the last one."""

    def __init__(self, seconds: float = _SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._phase: str | None = None
        self._last = 0.0

    def due(self, phase: str) -> bool:
        now = self._clock()
        if phase == self._phase and now - self._last < self._seconds:
            return False
        self._phase, self._last = phase, now
        return True


class Kept:
    """How much of a training would be there after a crash: class images, and the steps of its checkpoint."""

    def __init__(self) -> None:
        self._images = 0
        self._steps = 0

    @property
    def total(self) -> int:
        return self._images + self._steps

    def grows_by(self, event: TrainEvent) -> bool:
        """Whether an event tells of more than was known."""
        before = self.total
        match event:
            case PhaseProgress(phase="class_images"):
                self._images = max(self._images, event.done)
            case Started():
                self._steps = max(self._steps, event.resumed_step)
            case Checkpoint():
                self._steps = max(self._steps, event.step)
        return self.total > before
