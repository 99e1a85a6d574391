"""The long-lived process that draws: commands come as JSON lines on stdin, events leave on stdout."""

from __future__ import annotations

import logging
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable

import psutil
import torch
from pydantic import BaseModel, ValidationError

from inference.drawing import kind
from inference.engine import Engine
from inference.model import SMALL_GIB, memory_gib
from inference.requests import DrawDone, DrawEvent, DrawFailed, DrawRequest, Ready, parse_command

_log = logging.getLogger(__name__)


_GPU_BATCH = 8
"""Pictures that a GPU draws at once."""
_IDLE_SECONDS = 300.0
"""After so long without a request a small GPU's memory is given back."""


class Server:
    """Takes requests in turn, oldest first; a cancel reaches the one being drawn at its next step.

    Requests that wait and are of the same kind as the oldest are drawn with it, up to `batch` pictures. None
    takes what suits the device: on a CPU a batch gains nothing.
    """

    def __init__(self, emit: Callable[[BaseModel], None], batch: int | None = None) -> None:
        self._emit = emit
        self._engine = Engine()
        gpu = self._engine.device.type == "cuda"
        self._batch = batch if batch is not None else (_GPU_BATCH if gpu else 0)
        self._idle = _IDLE_SECONDS if gpu and memory_gib(self._engine.device) <= SMALL_GIB else None
        self._waiting: queue.Queue[DrawRequest | None] = queue.Queue()
        self._ahead: deque[DrawRequest] = deque()
        self._open: list[str] = []
        """Ids of what waits or is drawn; one that was cancelled may come again before its end."""
        self._cancelled: set[str] = set()
        """Open ones only: a cancel that comes too late is forgotten."""
        self._closing = threading.Event()

    def serve(self) -> None:
        """Draw until stdin ends."""
        threading.Thread(target=self._read, name="commands", daemon=True).start()
        self._emit(describe(self._engine.device, self._batch))
        while (request := self._next()) is not None:
            self._draw([request, *self._alike(request)])

    def _next(self) -> DrawRequest | None:
        if self._ahead and not self._closing.is_set():
            return self._ahead.popleft()
        try:
            return self._waiting.get(timeout=self._idle)
        except queue.Empty:
            self._engine.rest()
            return self._waiting.get()

    def _alike(self, oldest: DrawRequest) -> list[DrawRequest]:
        """Who can come along: nobody is waited for, so that a lone request is never held up."""
        while self._batch and not self._waiting.empty():
            request = self._waiting.get()
            if request is None:
                self._waiting.put(None)
                break
            self._ahead.append(request)
        free = self._batch - oldest.count
        alike, others = [], deque[DrawRequest]()
        for request in self._ahead:
            if kind(request) == kind(oldest) and request.count <= free:
                alike.append(request)
                free -= request.count
            else:
                others.append(request)
        self._ahead = others
        return alike

    def _draw(self, requests: list[DrawRequest]) -> None:
        ended: set[str] = set()

        def emit(event: DrawEvent) -> None:
            if isinstance(event, DrawDone | DrawFailed):
                ended.add(event.id)
            self._emit(event)

        def cancelled(request_id: str) -> bool:
            return request_id in self._cancelled or self._closing.is_set()

        try:
            self._engine.run_together(requests, emit, cancelled)
        except Exception:
            _log.exception("requests %s failed", [request.id for request in requests])
            message = "Drawing failed for a reason that is in the server's log."
            for request in requests:
                if request.id not in ended:
                    self._emit(DrawFailed(id=request.id, code="internal", message=message))
        finally:
            for request in requests:
                self._open.remove(request.id)
                self._cancelled.discard(request.id)

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            try:
                command = parse_command(line)
            except ValidationError:
                _log.error("not a command: %r", line[:200])
                continue
            if isinstance(command, DrawRequest):
                self._open.append(command.id)
                self._waiting.put(command)
            elif command.id in self._open:
                self._cancelled.add(command.id)
        self._closing.set()
        self._waiting.put(None)


def describe(device: torch.device, batch: int) -> Ready:
    """The device's name, its free memory in GiB, and how many pictures it draws at once."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        name = torch.cuda.get_device_name(device)
    else:
        free = psutil.virtual_memory().available
        name = f"CPU ({torch.get_num_threads()} threads)"
    return Ready(device=name, memory_gib=free / 2**30, batch=batch)
