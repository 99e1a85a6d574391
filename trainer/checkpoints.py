"""Checkpoints that don't hold up training: a copy in memory, written to the disk beside it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch

from data.disk import replacing
from data.errors import is_disk_full

_log = logging.getLogger("trainer")

_MOST_FAILURES = 5
"""Checkpoints in a row that may find no room: the disk may be full for a moment, and the next one replaces
them all.
"""


class CheckpointFile:
    """One file that always holds the newest whole state."""

    def __init__(self, file: Path, on_written: Callable[[int], None]) -> None:
        """`on_written` is told the step of each state that is on the disk, by the thread that calls us."""
        self._file = file
        self._on_written = on_written
        self._writer: threading.Thread | None = None
        self.step = 0
        """Of the newest state on the disk, once one was written or loaded."""
        self._writing = 0
        self._failures = 0
        self._error: BaseException | None = None

    def save(self, state: dict[str, Any]) -> None:
        """Copy a state, whose `done` is its step, and write it while training goes on.

        Where memory is short it is written at once instead. Raises OSError, also of an earlier writing; but
        a full disk is borne a few times.
        """
        self.wait()
        self._writing = state["done"]
        if _size(state) * 2 > psutil.virtual_memory().available:
            self._write(state)
            self._told()
            return
        self._writer = threading.Thread(target=self._write, args=(_copy(state),), name="checkpoint")
        self._writer.start()

    def poll(self) -> None:
        """Tell of a writing that has ended. Raises OSError when it failed."""
        if self._writer is not None and not self._writer.is_alive():
            self.wait()

    def wait(self) -> None:
        """Return when nothing is being written. Raises OSError when writing failed."""
        if self._writer is not None:
            self._writer.join()
            self._writer = None
            self._told()

    def load(self, device: torch.device) -> dict[str, Any]:
        """The newest state."""
        state: dict[str, Any] = torch.load(self._file, map_location=device, weights_only=True)
        self.step = state["done"]
        return state

    def _told(self) -> None:
        error, self._error = self._error, None
        if error is None:
            self.step, self._failures = self._writing, 0
            self._on_written(self.step)
            return
        self._failures += 1
        if not is_disk_full(error) or self._failures >= _MOST_FAILURES:
            raise error
        _log.warning("the disk is full: the checkpoint at step %d is left out", self._writing)

    def _write(self, state: dict[str, Any]) -> None:
        try:
            with replacing(self._file) as stream:
                torch.save(state, stream)
        except BaseException as error:
            self._error = error


def _copy(value: Any) -> Any:
    """The same structure with its tensors copied to ordinary memory."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copy(item) for item in value)
    return value


def _size(value: Any) -> int:
    """Bytes of all tensors in a structure."""
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        return sum(_size(item) for item in value.values())
    if isinstance(value, list | tuple):
        return sum(_size(item) for item in value)
    return 0
