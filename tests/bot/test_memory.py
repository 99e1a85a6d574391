"""The allocator's arenas are few, however many threads there are."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from bot.memory import VARIABLE

_MANY_THREADS = """
import ctypes, threading
from bot.memory import bound_arenas
bound_arenas()
meeting = threading.Barrier(8)
def work():
    meeting.wait()
    kept = [bytearray(50_000) for _ in range(20)]
    meeting.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
ctypes.CDLL(None).malloc_stats()
"""


def arenas(**environment: str) -> int:
    kept = {name: value for name, value in os.environ.items() if name != VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", _MANY_THREADS], env=kept | environment, capture_output=True, check=True
    )
    return done.stderr.count(b"Arena ")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has no arenas")
def test_threads_share_two_arenas_unless_somebody_says_otherwise() -> None:
    assert arenas() == 2
    assert arenas(MALLOC_ARENA_MAX="4") > 2
