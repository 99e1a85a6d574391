"""The long-lived process that draws: commands come as JSON lines on stdin, events leave on stdout."""

from __future__ import annotations

import logging
import queue
import sys
import threading

import psutil
import torch
from pydantic import ValidationError

from data.pipes import EventWriter
from inference.engine import Engine
from inference.requests import CancelRequest, DrawFailed, DrawRequest, Ready, parse_command

_log = logging.getLogger(__name__)


class Server:
    """Takes requests in turn; a cancel reaches the one being drawn at its next step."""

    def __init__(self) -> None:
        self._emit = EventWriter()
        self._engine = Engine()
        self._waiting: queue.SimpleQueue[DrawRequest | None] = queue.SimpleQueue()
        self._cancelled: set[str] = set()
        self._closing = threading.Event()

    def serve(self) -> None:
        """Draw until stdin ends."""
        threading.Thread(target=self._read, name="commands", daemon=True).start()
        self._emit(describe(self._engine.device))
        while (request := self._waiting.get()) is not None:
            self._draw(request)

    def _draw(self, request: DrawRequest) -> None:
        def cancelled() -> bool:
            return request.id in self._cancelled or self._closing.is_set()

        try:
            self._engine.run(request, self._emit, cancelled)
        except Exception:
            _log.exception("request %s failed", request.id)
            message = "Drawing failed for a reason that is in the server's log."
            self._emit(DrawFailed(id=request.id, code="internal", message=message))
        finally:
            self._cancelled.discard(request.id)

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            try:
                command = parse_command(line)
            except ValidationError:
                _log.error("not a command: %r", line[:200])
                continue
            if isinstance(command, CancelRequest):
                self._cancelled.add(command.id)
            else:
                self._waiting.put(command)
        self._closing.set()
        self._waiting.put(None)


def describe(device: torch.device) -> Ready:
    """The device's name and its free memory in GiB."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return Ready(device=torch.cuda.get_device_name(device), memory_gib=free / 2**30)
    free = psutil.virtual_memory().available
    return Ready(device=f"CPU ({torch.get_num_threads()} threads)", memory_gib=free / 2**30)
