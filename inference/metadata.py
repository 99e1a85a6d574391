"""The parameters of a picture, in the PNG text chunk that other Stable Diffusion tools read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from data.disk import replacing
from inference.requests import DrawRequest

_KEYWORD = re.compile(r"^\s*(Negative prompt|Steps):", re.MULTILINE)
_TRAINED = "model"
"""What a training calls the folder of its model; the folder around it has the name."""


class Cut(NamedTuple):
    """The part of a drawn picture that was kept. Pixels."""

    width: int
    height: int
    left: int
    top: int


def parameters(
    request: DrawRequest,
    seed: int,
    size: tuple[int, int],
    *,
    sampler: str | None = "DDIM",
    cut: Cut | None = None,
) -> str:
    """The `parameters` text, in the form that the AUTOMATIC1111 web UI writes and reads.

    `size` is what was drawn; `cut` what was kept of it, if not all. What is not known, None or an empty
    name, is left out.
    """
    lines = [_words(request.prompt)]
    if request.negative:
        lines.append(f"Negative prompt: {_words(request.negative)}")
    facts = {
        "Steps": f"{request.steps}",
        "Sampler": sampler,
        "CFG scale": f"{request.guidance:g}",
        "Seed": f"{seed}",
        "Size": f"{size[0]}x{size[1]}",
        "Model": request.title or name_of(request.model),
        "Denoising strength": f"{request.strength:g}" if request.init is not None else None,
        "Cut": f"{cut.width}x{cut.height}+{cut.left}+{cut.top}" if cut is not None else None,
    }
    lines.append(", ".join(f"{name}: {_quoted(value)}" for name, value in facts.items() if value))
    return "\n".join(lines)


def name_of(model: str) -> str:
    """What people call a model: its alias, its name on the Hub, or that of its folder."""
    path = Path(model)
    if model and path.name in ("", "..", _TRAINED):
        path = path.resolve()
    return path.parent.name if path.name == _TRAINED and path.is_dir() else path.name


def save_png(image: Image.Image, path: Path, text: str) -> None:
    """Write a PNG with its parameters: beside first, then renamed. Raises OSError when the disk is full."""
    info = PngInfo()
    info.add_itxt("parameters", text) if not text.isascii() else info.add_text("parameters", text)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        # A third of the time that the usual compression takes, for a tenth more bytes.
        image.save(file, "PNG", pnginfo=info, compress_level=1)


def _words(prompt: str) -> str:
    """A prompt whose lines are not taken for the keywords of the format.

    Readers know those by their capitals, which text encoders don't see: the picture stays the same.
    """
    return _KEYWORD.sub(lambda found: found[0].lower(), prompt)


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search('[,:"\n]', value) else value
