"""The bundled toy selfies: the sandbox's and the demo's photos."""

from __future__ import annotations

import asyncio
import io
from functools import cache, partial
from pathlib import Path

from PIL import Image

import data
from bot.services.intake import Upload

SELFIES_NAME = "abraza"
"""What the toy person is called in trainings that nobody named."""

TAKEN = 6
"""How many of them a training takes, as in the lesson."""

FOLDER = Path(data.__file__).with_name("selfies")


@cache  # made anew for each /help, a crowd's would be answered too late
def strip(side: int = 192) -> bytes:
    """The selfies of one training side by side, as one JPEG. Blocking. Raises OSError."""
    photos = [Image.open(path) for path in _paths(TAKEN)]
    sheet = Image.new("RGB", (side * len(photos), side))
    for place, photo in enumerate(photos):
        sheet.paste(photo.resize((side, side), Image.Resampling.LANCZOS), (place * side, 0))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def selfies(count: int = TAKEN) -> list[Upload]:
    """The first `count` selfies, as if somebody sent them."""
    return [Upload(path.name, partial(asyncio.to_thread, path.read_bytes)) for path in _paths(count)]


def _paths(count: int) -> list[Path]:
    return sorted(FOLDER.glob("*.jpg"))[:count]
