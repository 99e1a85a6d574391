"""No process outlives its starter for long, whatever it hangs in."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_WORKER = """
import ctypes, threading, time
from data import pipes

pipes.HEARTBEAT_SECONDS, pipes.HANG_SECONDS, pipes.LAST_SECONDS = 0.05, 1, 1
stop = threading.Event()
emit = pipes.EventWriter()
emit.beat()
pipes.on_starter_gone(stop.set)
time.sleep(0.2)
{hang}
"""


@contextmanager
def started(hang: str) -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, "-c", _WORKER.format(hang=hang)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    "hang",
    ["ctypes.PyDLL(None).sleep(600)", "ctypes.CDLL(None).sleep(600)"],
    ids=["with the interpreter held", "with other threads at work"],
)
def test_a_worker_that_hangs_in_native_code_ends_after_its_starter(hang: str) -> None:
    with started(hang) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b'{"type":"heartbeat"}\n'
        process.stdin.close()
        process.stdout.close()
        assert process.wait(60) == -signal.SIGALRM


def test_a_worker_that_stops_in_order_is_left_to_it() -> None:
    with started("stop.wait()") as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline()
        process.stdin.close()
        assert process.wait(60) == 0
