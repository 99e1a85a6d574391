"""No process outlives its starter for long, whatever it hangs in."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest

_WORKER = """
import ctypes, os, signal, threading
from data import pipes

pipes.HEARTBEAT_SECONDS, pipes.HANG_SECONDS, pipes.LAST_SECONDS = 0.05, 60, {last}
stop, beaten = threading.Event(), threading.Event()
write, alarm = os.write, signal.alarm

def noted(descriptor, line):
    write(descriptor, line)
    beaten.set()

def beats(what, count):
    for _ in range(count):
        what.clear()
        what.wait()

def hang_may_end():
    pipes.HANG_SECONDS = 1
    beats(beaten, 2)  # the second one comes after an alarm of so many seconds

os.write = noted
emit = pipes.EventWriter()
emit.beat()
pipes.on_starter_gone(stop.set)
beats(beaten, 1)
{work}
"""


@contextmanager
def started(
    work: str, last: int = 60, stdout: int | IO[bytes] = subprocess.PIPE
) -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, "-c", _WORKER.format(work=work, last=last)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=stdout) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    "hang",
    ["hang_may_end()\nctypes.PyDLL(None).sleep(600)", "ctypes.CDLL(None).sleep(600)"],
    ids=["with the interpreter held", "with other threads at work"],
)
def test_a_worker_that_hangs_in_native_code_ends_after_its_starter(hang: str) -> None:
    with started(hang, last=1) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b'{"type":"heartbeat"}\n'
        process.stdin.close()
        process.stdout.close()
        assert process.wait(60) == -signal.SIGALRM


_HANGS_AS_IT_BEATS = """
hang_may_end()
os.write = lambda *_: ctypes.PyDLL(None).sleep(600)
stop.wait()
"""


def test_a_hang_that_begins_while_a_beat_is_written_ends_too() -> None:
    with started(_HANGS_AS_IT_BEATS) as process:
        assert process.wait(60) == -signal.SIGALRM


def test_a_worker_that_stops_in_order_is_left_to_it() -> None:
    with started("stop.wait()") as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline()
        process.stdin.close()
        assert process.wait(60) == 0


_PUT_OFF = """
put_off = threading.Event()
signal.alarm = lambda seconds: (alarm(seconds), put_off.set())
beats(put_off, 3)
os._exit(0)
"""

_FULL = """
pipe = emit._stream.fileno()
os.set_blocking(pipe, False)
try:
    while True:
        write(pipe, bytes(4096))
except BlockingIOError:
    os.set_blocking(pipe, True)
"""

_WRITING = """
from pydantic import BaseModel

class Long(BaseModel):
    text: str = "x" * 2**20

threading.Thread(target=emit, args=(Long(),), daemon=True).start()
while not emit._lock.locked():
    pass
"""


@pytest.mark.parametrize("full", [_FULL, _WRITING], ids=["for the beat", "for another line"])
def test_a_worker_whose_paused_starter_leaves_no_room_in_the_pipe_beats_on(full: str) -> None:
    with started(full + _PUT_OFF) as process:
        assert process.wait(60) == 0


_FAILS = """
def fails(*_):
    beaten.set()
    raise OSError(28, "No space left on device")

os.write = fails
beats(beaten, 3)
os._exit(0)
"""


def test_a_full_disk_under_what_is_said_is_not_the_end_of_the_starter() -> None:
    with started(_FAILS, last=1) as process:
        assert process.wait(60) == 0
