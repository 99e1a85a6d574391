"""The ways to render a drawn picture: as a photo, in pencil, in oil, in pixels."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from data.toys.traits import Pose

_PIXELS = 32
_PIXEL_COLOURS = 32
_VARIANTS = 4
_PAPER = np.array([250.0, 247.0, 240.0], dtype=np.float32)
_GRAPHITE = np.array([52.0, 50.0, 58.0], dtype=np.float32)

Floats = NDArray[np.float32]


def photo(picture: Image.Image, pose: Pose) -> Image.Image:
    """Light from one side, and corners that fall off a little."""
    slope, fall = _light_fields(picture.width)
    light = fall + slope * (0.07 * pose.light)
    return _to_image(_to_floats(picture) * light[..., None])


@lru_cache(maxsize=8)
def _light_fields(size: int) -> tuple[Floats, Floats]:
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    slope = (axis[None, :] - 0.6 * axis[:, None]).astype(np.float32)
    fall = 1.03 - 0.05 * (axis[None, :] ** 2 + axis[:, None] ** 2)
    return slope, fall.astype(np.float32)


def pencil(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Dark contours and hatched shadows on paper."""
    size = picture.width
    grey = _to_floats(picture.convert("L"))
    around = _to_floats(picture.convert("L").filter(ImageFilter.GaussianBlur(size / 50)))
    # Only the dark side of a contour is drawn; both sides would turn eyes into rings.
    lines = np.clip(4 * (around - grey - 4) / (around + 20), 0, 1)
    tone = 1 - grey / 255
    hatch = np.roll(_hatching(size), int(rng.integers(size)), axis=1)
    shade = np.clip(tone - 0.08, 0, 1) * (0.55 + 0.35 * hatch)
    dark = np.clip(np.maximum(shade, lines * 0.95), 0, 1)[..., None]
    return _to_image(_PAPER + (_GRAPHITE - _PAPER) * dark)


@lru_cache(maxsize=8)
def _hatching(size: int) -> Floats:
    """Slanted strokes of uneven pressure, seamless from right to left."""
    y, x = np.mgrid[0:size, 0:size] / size
    rng = np.random.default_rng(7)
    pressure = 0.25 * np.sin(2 * np.pi * (3 * x - 2 * y)) + 0.12 * rng.standard_normal((size, size))
    strokes: Floats = np.clip(np.sin(2 * np.pi * (24 * x + 17 * y)) + pressure, -1, 1).astype(np.float32)
    return strokes


def oil(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Flat dabs of paint with firm edges, and the relief of the brush."""
    dabs = _dabs(picture)
    source, relief = _strokes(picture.width, int(rng.integers(_VARIANTS)))
    dragged = dabs.reshape(-1, 3)[source]
    # A stroke may drag paint along a plain, not across a contour.
    plain = np.abs(dragged - dabs).max(axis=2, keepdims=True) < 42
    painted = np.where(plain, dragged, dabs)
    # What the dabs lost, such as eyes and the rims of glasses, is painted over them with a fine brush.
    colours = _to_floats(picture)
    lost = np.clip((np.abs(colours - dabs).max(axis=2, keepdims=True) - 16) / 40, 0, 0.9)
    painted = painted + (colours - painted) * lost
    grey = painted.mean(axis=2, keepdims=True)
    return _to_image((grey + (painted - grey) * 1.1) * (1 + 0.08 * relief[..., None]))


def _dabs(picture: Image.Image) -> Floats:
    """A Kuwahara filter: each pixel becomes the mean of the evenest of four squares around it."""
    radius = max(1, round(picture.width / 64))
    means = _to_floats(picture.filter(ImageFilter.BoxBlur(radius)))
    grey = picture.convert("L")
    mean = np.asarray(grey.filter(ImageFilter.BoxBlur(radius)), dtype=np.float32)
    unevenness = Image.fromarray(np.abs(np.asarray(grey, dtype=np.float32) - mean).astype(np.uint8))
    spread = _to_floats(unevenness.filter(ImageFilter.BoxBlur(radius)))
    corners = [(y, x) for y in (-radius, radius) for x in (-radius, radius)]
    best = np.argmin(np.stack([_shifted(spread, y, x) for y, x in corners]), axis=0)
    choices = np.stack([_shifted(means, y, x) for y, x in corners])
    chosen: Floats = np.take_along_axis(choices, best[None, ..., None], axis=0)[0]
    return chosen


def _shifted(values: Floats, y: int, x: int) -> Floats:
    rows = np.clip(np.arange(values.shape[0]) + y, 0, values.shape[0] - 1)
    columns = np.clip(np.arange(values.shape[1]) + x, 0, values.shape[1] - 1)
    return values[rows[:, None], columns]


@lru_cache(maxsize=32)
def _strokes(size: int, variant: int) -> tuple[NDArray[np.int64], Floats]:
    """For each pixel the one whose paint its stroke drags along, and the height of the paint."""
    rng = np.random.default_rng(variant)
    unit = size / 100
    grid = np.stack(np.meshgrid(np.arange(0, 100, 2.5), np.arange(0, 100, 2.5)), axis=-1).reshape(-1, 2)
    centres = np.clip(grid + rng.uniform(-2.5, 2.5, size=grid.shape), 0, 99.9)
    rng.shuffle(centres)
    source, height = Image.new("I", (size, size)), Image.new("F", (size, size))
    brushes = ImageDraw.Draw(source), ImageDraw.Draw(height)
    phase = rng.uniform(0, 2 * np.pi, size=2)
    for x, y in np.concatenate([grid, centres]):
        angle = 0.9 + 0.6 * np.sin(x / 17 + phase[0]) + 0.6 * np.cos(y / 21 + phase[1]) + rng.normal(0, 0.2)
        along_x, along_y, thickness = 5 * np.cos(angle), 5 * np.sin(angle), float(np.tanh(rng.normal()))
        ends = [((x + s * along_x) * unit, (y + s * along_y) * unit) for s in (-1, 1)]
        brushes[0].line(ends, fill=int(y * unit) * size + int(x * unit), width=max(1, round(2.4 * unit)))
        brushes[1].line(ends, fill=thickness, width=max(1, round(2.4 * unit)))
    relief = np.asarray(height)
    return np.asarray(source).astype(np.int64), (relief - relief.mean()).astype(np.float32)


def pixels(picture: Image.Image) -> Image.Image:
    """Few large pixels of few colours."""
    # Sharpened first, since a mean over a large pixel would mix eyes and outlines away.
    small = picture.filter(ImageFilter.UnsharpMask(picture.width / 42, 90, 2))
    small = small.resize((_PIXELS, _PIXELS), Image.Resampling.BOX)
    few = small.quantize(_PIXEL_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert(
        "RGB"
    )
    return few.resize(picture.size, Image.Resampling.NEAREST)


def _to_floats(picture: Image.Image) -> Floats:
    return np.asarray(picture, dtype=np.float32)


def _to_image(values: Floats) -> Image.Image:
    return Image.fromarray(np.clip(values + 0.5, 0, 255).astype(np.uint8))
