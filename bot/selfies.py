"""The bundled toy selfies: the sandbox's and the demo's photos."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

import data
from bot.services.training import Upload

SELFIES_NAME = "abraza"
"""What the toy person is called in trainings that nobody named."""

TAKEN = 6
"""How many of them a training takes, as in the lesson."""

FOLDER = Path(data.__file__).with_name("selfies")


def strip(side: int = 192) -> bytes:
    """The selfies of one training side by side, as one JPEG. Blocking. Raises OSError."""
    photos = [Image.open(io.BytesIO(one.content)) for one in selfies()]
    sheet = Image.new("RGB", (side * len(photos), side))
    for place, photo in enumerate(photos):
        sheet.paste(photo.resize((side, side), Image.Resampling.LANCZOS), (place * side, 0))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def selfies(count: int = TAKEN) -> list[Upload]:
    """The first `count` selfies. Blocking: call it in a thread. Raises OSError."""
    return [Upload(path.name, path.read_bytes()) for path in sorted(FOLDER.glob("*.jpg"))[:count]]
