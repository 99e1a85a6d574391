"""What the C library's allocator may keep of memory that is free again."""

from __future__ import annotations

import contextlib
import ctypes
import os

ARENAS = "2"
VARIABLE = "MALLOC_ARENA_MAX"
"""glibc reads it when a process begins; whoever sets it has the last word."""

_M_ARENA_MAX = -8


def bound_arenas() -> None:
    """Let all threads of this process share few arenas; call it before there are any.

    glibc gives nearly every thread one of its own, and each keeps what was the most it ever held: with the
    threads that read pictures and the database, memory grows for hours. Other C libraries set nothing.
    """
    if VARIABLE not in os.environ:
        with contextlib.suppress(AttributeError):
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, int(ARENAS))
