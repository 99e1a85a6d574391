"""Reads files that strangers sent, in a process that may be ended: `python -m trainer.intake MEMORY`.

stdin brings one `Ask` a line, stdout answers each with a `Found`. A file that takes more than its time ends
the process (by SIGXCPU), and so may one that breaks a decoder: the starter goes on with another process.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import sys
import time
from pathlib import Path

import cv2
import pillow_heif
from PIL import AvifImagePlugin
from pydantic import BaseModel, ConfigDict

from data.errors import CodedError, is_disk_full
from data.pipes import EventWriter
from trainer.photos import look

_NICE = 2
"""Drawing and talking come first; more would let a training on the same cores starve whoever waits."""
_MOST_WRITTEN = 64 * 2**20
"""Bytes of one file, crop or log, that are written."""


class Ask(BaseModel):
    """Look at one file."""

    file: Path
    """Its crops are written beside it."""
    size: int
    class_name: str
    seconds: int
    """CPU time that it may take."""


class Found(BaseModel):
    """What became of it: a code of why it can't be used, or its crops."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    code: str = ""
    """Those of PictureError and of `trainer.photos.look`; disk_full; too_slow (by the starter)."""
    crops: tuple[Path, ...] = ()
    """Several where a person has to say which face is meant, from left to right."""
    face: bool = False
    fingerprint: bytes = b""
    seconds: float = 0
    """CPU time that it took."""


def main(memory: int) -> None:
    """Answer until stdin ends. `memory` is how many bytes of addresses this process may have."""
    _confine(memory)
    answer = EventWriter()
    for line in sys.stdin:
        answer(_find(Ask.model_validate_json(line)))


def _confine(memory: int) -> None:
    os.nice(_NICE)
    cv2.setNumThreads(1)
    pillow_heif.options.DECODE_THREADS = 1
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MOST_WRITTEN, _MOST_WRITTEN))
    # Linux keeps to it; macOS refuses, so that only the number of pixels bounds memory there.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _find(ask: Ask) -> Found:
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + ask.seconds, most))
    return find(ask)


def find(ask: Ask) -> Found:
    """Look at one file, however long it takes. Raises OSError where its crops can't be written."""
    start = time.process_time()
    try:
        shown = look(ask.file.name, ask.file.read_bytes(), ask.size, ask.class_name)
        crops = [ask.file.with_name(f"{ask.file.name}-{place}.png") for place in range(len(shown.crops))]
        for crop, file in zip(shown.crops, crops, strict=True):
            crop.save(file)
    except CodedError as error:
        return Found(code=error.code, seconds=time.process_time() - start)
    except MemoryError:
        return Found(code="too_large", seconds=time.process_time() - start)
    except OSError as error:
        if not is_disk_full(error):
            raise
        return Found(code="disk_full")
    return Found(
        crops=tuple(crops),
        face=shown.face,
        fingerprint=shown.fingerprint,
        seconds=time.process_time() - start,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
