"""What goes wrong between the bot and Discord, switched on by a test."""

from __future__ import annotations

import asyncio
import fnmatch
from dataclasses import dataclass


@dataclass
class Fault:
    """Befalls the next requests that match `method` and the `path` with wildcards, as `/channels/*/messages`.

    Without a `status` the connection is closed instead of an answer. With `done` the request was carried
    out before: an answer that got lost. A request waits at `gate` first, while that is not set.
    """

    method: str
    path: str
    status: int | None = None
    code: int = 0
    """Discord's own number of the error."""
    done: bool = False
    times: float = 1
    gate: asyncio.Event | None = None
    met: int = 0
    """How many requests it befell."""

    def befalls(self, method: str, path: str) -> bool:
        if self.times < 1 or method != self.method or not fnmatch.fnmatch(path, self.path):
            return False
        self.times -= 1
        self.met += 1
        return True


class Faults:
    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        self._waiting.append(fault)
        return fault

    def of(self, method: str, path: str) -> Fault | None:
        """The first fault that befalls this request."""
        return next((fault for fault in self._waiting if fault.befalls(method, path)), None)
