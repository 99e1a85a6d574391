"""A trainer that is ready before there is a job: imports done and, on a roomy GPU, the base in memory."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import torch

from inference.errors import ModelError
from inference.model import SMALL_GIB, Model, load, memory_gib, pick_device

_log = logging.getLogger("trainer")


class Prepared:
    """Gives models as `inference.model.load` does, the base named before without any waiting, once."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._model: Model | None = None
        device = pick_device()
        if device.type != "cuda" or memory_gib(device) <= SMALL_GIB:
            return  # its memory is for those who work
        try:
            self._model = load(base, device, torch.float32)
        except (ModelError, OSError, torch.OutOfMemoryError) as error:
            _log.warning("%s is not loaded ahead: %s", base, error)

    def load(self, name: str, device: torch.device, dtype: torch.dtype) -> Model:
        """See `inference.model.load`. A base that is not wanted after all makes room first."""
        model, self._model = self._model, None
        if model is not None and name == self._base:
            return model
        del model
        return load(name, device, dtype)


def next_job() -> Path | None:
    """The job's folder, once it comes on stdin; None when whoever started this is gone.

    From then on the log goes into that folder.
    """
    line = sys.stdin.buffer.readline().rstrip(b"\n")
    if not line:
        return None
    job = Path(os.fsdecode(line))
    log = os.open(job / "trainer.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)  # where what libraries print goes, see `data.pipes.EventWriter`
    os.dup2(log, 2)
    os.close(log)
    return job
