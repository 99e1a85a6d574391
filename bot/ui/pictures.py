"""Pictures on their way to Discord."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import discord
from discord import ui
from PIL import Image, PngImagePlugin

from bot.locales import t
from bot.services.shots import Shot

SMALL = 256
SHOWN = 512
"""Discord shows a picture at up to about this many pixels; a smaller one it blurs."""


def files_of(paths: Sequence[Path]) -> list[discord.File]:
    """The pictures as uploads, in order. Blocking: call it in a thread. Raises OSError."""
    return [
        discord.File(io.BytesIO(_shown(path)), filename=f"{index}.png") for index, path in enumerate(paths)
    ]


def uploads_of(shots: Sequence[Shot]) -> dict[Shot, discord.File]:
    """A job's pictures of itself as uploads; what is gone or broken is left out. Blocking."""
    uploads = {}
    for shot in shots:
        try:
            content = _shown(shot.path) if shot.path.suffix == ".png" else shot.path.read_bytes()
        except OSError:
            continue
        uploads[shot] = discord.File(io.BytesIO(content), filename=shot.name)
    return uploads


def shots_gallery(locale: str, shots: Sequence[Shot]) -> list[ui.MediaGallery[Any]]:
    """The pictures that a job's message carries, one below the other, each with its description."""
    return [
        ui.MediaGallery[Any]().add_item(
            media=f"attachment://{shot.name}", description=t(locale, f"shot.{Path(shot.name).stem}")
        )
        for shot in shots
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


def row_of(paths: Sequence[Path], name: str) -> discord.File | None:
    """Small copies side by side as `name`.jpg; None when there is none. Blocking. Raises OSError."""
    if not paths:
        return None
    row = Image.new("RGB", (SMALL * len(paths), SMALL))
    for place, path in enumerate(paths):
        with Image.open(path) as picture:
            row.paste(picture.convert("RGB").resize((SMALL, SMALL)), (SMALL * place, 0))
    buffer = io.BytesIO()
    row.save(buffer, "JPEG", quality=85)
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
