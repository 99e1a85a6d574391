"""The bot whose growth is measured: a scripted GPU draws pictures of a usual size, its objects are counted.

It stands in for `python -m tests.standin.launch`, with the same arguments.
"""

from __future__ import annotations

import gc
import os
import runpy
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

import bot.app
import tests.fakes

OBJECTS = "objects"
"""The file in the home folder that says how many objects there are."""

_SIDE = 512
_COUNT_SECONDS = 5.0


def _paint(path: Path, index: int) -> None:
    pixels = np.random.default_rng(index).integers(0, 255, (_SIDE // 2, _SIDE // 2, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC).save(path)


def _count(file: Path) -> None:
    while True:
        file.write_text(str(len(gc.get_objects())))
        time.sleep(_COUNT_SECONDS)


if __name__ == "__main__":
    tests.fakes.paint = _paint
    setattr(bot.app, "LocalGpu", lambda *_, **__: tests.fakes.ScriptedGpu())  # noqa: B010
    counted = Path(os.environ["LIKENESS_HOME"]) / OBJECTS
    threading.Thread(target=_count, args=(counted,), daemon=True).start()
    runpy.run_module("tests.standin.launch", run_name="__main__")
