"""What a call asks for, and what is kept of it and of its answer."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from inference.endpoint_answers import picture
from inference.metadata import Cut, parameters, save_png
from inference.requests import DrawRequest

_ASKED = ".asked"


def payload(request: DrawRequest, index: int) -> dict[str, object]:
    """A call of Hugging Face's inference container for the picture `index`."""
    values: dict[str, object] = {
        "negative_prompt": request.negative or None,
        "num_inference_steps": request.steps,
        "guidance_scale": request.guidance,
        "seed": seed_of(request, index),
    }
    side = _side(request)
    if side is not None:
        values |= {"width": side, "height": side}
    stated = {name: value for name, value in values.items() if value is not None}
    return {"inputs": request.prompt, "parameters": stated}


def keep(body: bytes, path: Path, request: DrawRequest, index: int) -> tuple[int, int]:
    """Save the picture, cut to the size that was asked for; returns that size. Blocking.

    Raises EndpointError as `picture` does.
    """
    side = _side(request)
    image: Image.Image = picture(body, (side, side) if side is not None else None)
    drawn = image.size
    cut = _middle(drawn, (request.width or drawn[0], request.height or drawn[1]))
    if cut is not None:
        image = image.crop((cut.left, cut.top, cut.left + cut.width, cut.top + cut.height))
    # Which sampler the endpoint takes, it does not say.
    save_png(image, path, parameters(request, seed_of(request, index), drawn, sampler=None, cut=cut))
    return image.size


def seed_of(request: DrawRequest, index: int) -> int:
    return (request.seed + index) % 2**32


def size_of(path: Path) -> tuple[int, int] | None:
    """The size of a picture that an earlier attempt saved, or None. Blocking."""
    if not path.exists():
        return None
    with Image.open(path) as image:
        return image.size


def mark_of(path: Path) -> Path:
    """The file beside a picture that says: it was asked for, and may have been drawn."""
    return path.with_suffix(_ASKED)


def forget_marks(folder: Path) -> None:
    """Remove what only a drawing that runs again needs. Blocking."""
    for mark in folder.glob(f"*{_ASKED}"):
        mark.unlink(missing_ok=True)


def _side(request: DrawRequest) -> int | None:
    """The container draws squares alone, by multiples of 8: the smallest that holds what is wanted."""
    side = max(request.width or 0, request.height or 0)
    return -(-side // 8) * 8 or None


def _middle(drawn: tuple[int, int], wanted: tuple[int, int]) -> Cut | None:
    """The middle of a picture, a little above it where height goes: that is where faces are."""
    if drawn == wanted:
        return None
    return Cut(*wanted, left=(drawn[0] - wanted[0]) // 2, top=(drawn[1] - wanted[1]) // 3)
