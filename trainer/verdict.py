"""Whether a run has learned anything at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

from trainer.errors import TrainError

Learned = Callable[[], Iterable[tuple[str, torch.Tensor]]]

_SAMPLED = 512
_LEAST_CHANGE = 0.1
"""Levels of 255, in the mean over a picture."""


class Fingerprint:
    """Some values of every weight that is going to be trained."""

    def __init__(self, learned: Learned) -> None:
        """`learned` tells the weights' names and values as they are at the time (`DreamBooth.learned`)."""
        self._learned = learned
        self._before = {name: _some(weight).clone() for name, weight in learned()}

    def moved(self) -> bool:
        """Whether any of them is another one by now."""
        return any(not torch.equal(_some(weight), self._before[name]) for name, weight in self._learned())


def check_learned(fingerprint: Fingerprint, change: float | None) -> None:
    """Raise TrainError(learned_nothing) unless weights moved, and a picture with them.

    `change` is the mean difference between a picture's levels, 0 to 255, before and after, if it is known.
    """
    if not fingerprint.moved():
        raise TrainError(
            "learned_nothing", "Training has not changed the model: its learning rate is too low."
        )
    if change is not None and change < _LEAST_CHANGE:
        raise TrainError(
            "learned_nothing",
            "Training has changed the model too little for its pictures to differ: "
            "more steps or a higher learning rate help.",
        )


def _some(weight: torch.Tensor) -> torch.Tensor:
    flat = weight.detach().flatten()
    return flat[:: max(1, len(flat) // _SAMPLED)]
