"""How a worker talks to its starter: JSON lines on stdout, and a stdin that ends when the starter does."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

from pydantic import BaseModel

HEARTBEAT = b'{"type":"heartbeat"}\n'
"""A line by which a worker says no more than that its process runs."""
HEARTBEAT_SECONDS = 5.0
HANG_SECONDS = 600
"""After which a process ends that a call into native code holds so that no thread of it can run. A starter
that lives ends one sooner; and the time goes on while a whole container is paused, which is no hang."""
LAST_SECONDS = 120
"""What is left to a process whose starter is gone, as for a last checkpoint."""


class EventWriter:
    """Writes events, one JSON object a line. Safe to call from several threads.

    The process's stdout is kept for events alone: what libraries print goes to stderr instead.
    """

    def __init__(self) -> None:
        sys.stdout.flush()
        self._stream: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._lock = threading.Lock()

    def __call__(self, event: BaseModel) -> None:
        line = event.model_dump_json() + "\n"
        with self._lock:
            try:
                self._stream.write(line)
                self._stream.flush()
            except BrokenPipeError:
                # Nobody listens any more. What matters is on disk; the end of stdin stops the work.
                pass

    def beat(self) -> None:
        """Say every few seconds, from a thread, that this process runs: for starters, not for people.

        A long import, load or compilation goes on below it, so it proves nothing about the work.

        A process that hangs may not outlive its starter, either: the kernel's alarm, which each beat puts
        off, ends it `HANG_SECONDS` after the last. One that is stopped (SIGSTOP) ends then as it goes on.
        """
        signal.alarm(HANG_SECONDS)
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def _beat(self) -> None:
        while True:
            try:
                self._say_if_there_is_room()
            except BrokenPipeError:
                signal.alarm(LAST_SECONDS)
                return
            time.sleep(HEARTBEAT_SECONDS)
            # At no time is it off: a hang may begin at any. And it is put off as well while a starter that is
            # only paused reads nothing: waiting for it is no hang.
            signal.alarm(HANG_SECONDS)

    def _say_if_there_is_room(self) -> None:
        """Never waits. Raises BrokenPipeError."""
        if not self._lock.acquire(blocking=False):  # another line is being written, which says as much
            return
        try:
            # Past the stream: at exit Python must not find its lock held by this thread.
            pipe = self._stream.fileno()
            if select.select([], [pipe], [], 0)[1]:
                os.write(pipe, HEARTBEAT)
        except BrokenPipeError:
            raise
        except OSError:  # a file on a disk that is full, say: not the end of the starter
            pass
        finally:
            self._lock.release()


def on_starter_gone(callback: Callable[[], None]) -> None:
    """Call back, from a thread, when stdin ends: the process that started this one has died or let go."""

    def wait() -> None:
        # Not through sys.stdin: at exit Python must not find its lock held by this thread.
        while os.read(0, 4096):
            pass
        callback()

    threading.Thread(target=wait, name="starter-watch", daemon=True).start()
