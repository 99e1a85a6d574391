"""The parameters of a picture, in the PNG text chunk that other Stable Diffusion tools read."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from data.disk import replacing
from inference.requests import DrawRequest


def parameters(request: DrawRequest, seed: int, size: tuple[int, int]) -> str:
    """The `parameters` text, in the form that the AUTOMATIC1111 web UI writes."""
    lines = [request.prompt]
    if request.negative:
        lines.append(f"Negative prompt: {request.negative}")
    lines.append(
        f"Steps: {request.steps}, Sampler: DDIM, CFG scale: {request.guidance:g}, Seed: {seed}, "
        f"Size: {size[0]}x{size[1]}, Model: {Path(request.model).name}"
    )
    return "\n".join(lines)


def save_png(image: Image.Image, path: Path, text: str) -> None:
    """Write a PNG with its parameters: beside first, then renamed. Raises OSError when the disk is full."""
    info = PngInfo()
    info.add_itxt("parameters", text) if not text.isascii() else info.add_text("parameters", text)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        image.save(file, "PNG", pnginfo=info)
