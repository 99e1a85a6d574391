"""Pictures on their way to Discord."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import discord
from PIL import Image, PngImagePlugin

SMALL = 256
SHOWN = 512
"""Discord shows a picture at up to about this many pixels; a smaller one it blurs."""


def files_of(paths: Sequence[Path]) -> list[discord.File]:
    """The pictures as uploads, in order. Blocking: call it in a thread. Raises OSError."""
    return [
        discord.File(io.BytesIO(_shown(path)), filename=f"{index}.png") for index, path in enumerate(paths)
    ]


def thumbnail(path: Path, name: str) -> discord.File | None:
    """A small copy to upload as `name`.jpg; None when the picture is gone. Blocking."""
    try:
        with Image.open(path) as picture:
            small = picture.convert("RGB")
    except OSError:
        return None
    small.thumbnail((SMALL, SMALL))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    buffer.seek(0)
    return discord.File(buffer, filename=f"{name}.jpg")


def _shown(path: Path) -> bytes:
    """The file as it is, or a small picture enlarged, with its `parameters` text kept."""
    with Image.open(path) as picture:
        if max(picture.size) >= SMALL:
            return path.read_bytes()
        scale = SHOWN // max(picture.size)
        size = (picture.width * scale, picture.height * scale)
        enlarged = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        texts = PngImagePlugin.PngInfo()
        for key, value in getattr(picture, "text", {}).items():
            texts.add_text(key, value)
    buffer = io.BytesIO()
    enlarged.save(buffer, "PNG", pnginfo=texts)
    return buffer.getvalue()


def thumbnails_of(paths: Mapping[str, Path]) -> dict[str, discord.File]:
    """Small copies of pictures by name; what is gone is left out. Blocking."""
    small = {name: thumbnail(path, name) for name, path in paths.items()}
    return {name: file for name, file in small.items() if file is not None}
