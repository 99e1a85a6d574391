"""A supersampled canvas with smooth shapes, in units of a hundredth of the picture."""

from __future__ import annotations

from functools import lru_cache
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw

from data.toys.palette import Colour

Point = tuple[float, float]
Outline = tuple[Point, ...]
Points = NDArray[np.float64]

_STEPS = 6
_GLOW_STEP = 4
_ROUND = np.linspace(0, 2 * np.pi, 28, endpoint=False)
_CIRCLE = np.stack([np.cos(_ROUND), np.sin(_ROUND)], axis=1)


def mirrored(half: Outline) -> Outline:
    """The closed outline whose right side is `half`, listed from top to bottom."""
    left = tuple((-x, y) for x, y in reversed(half) if x != 0)
    return half + left


def flipped(outline: Outline) -> Outline:
    """The same outline on the other side of the axis."""
    return tuple((-x, y) for x, y in outline)


@lru_cache(maxsize=4096)
def smooth(outline: Outline, closed: bool = True) -> Points:
    """A Catmull-Rom curve through the points of `outline`."""
    knots = np.array(outline, dtype=np.float64)
    if closed:
        padded = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    t = np.linspace(0, 1, _STEPS, endpoint=False)[None, :, None]
    a, b, c, d = (padded[i : len(padded) - 3 + i, None, :] for i in range(4))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * (b - c) + d - a) * t**3)
    points = curve.reshape(-1, 2)
    return points if closed else np.concatenate([points, knots[-1:]])


@lru_cache(maxsize=4096)
def ribbon(outline: Outline, width: float, taper: bool = False) -> Points:
    """The outline of a brush stroke along an open curve: round ends, or pointed ones with `taper`."""
    spine = smooth(outline, closed=False)
    tangent = np.gradient(spine, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    along = np.linspace(-1, 1, len(spine))
    half = np.sqrt(1.02 - np.abs(along) ** (2 if taper else 12)) * width / 2
    side = normal * half[:, None]
    return np.concatenate([spine + side, (spine - side)[::-1]])


def circle(x: float, y: float, rx: float, ry: float) -> Points:
    """The outline of an ellipse around (x, y)."""
    return _CIRCLE * (rx, ry) + (x, y)


@lru_cache(maxsize=2048)
def _soft_disc(half_width: int, half_height: int, strength: float) -> Image.Image:
    across = np.linspace(-1, 1, 2 * half_width, dtype=np.float32)
    down = np.linspace(-1, 1, 2 * half_height, dtype=np.float32)
    distance = np.minimum(1, across[None, :] ** 2 + down[:, None] ** 2)
    return Image.fromarray(np.round(255 * strength * (1 - distance) ** 2).astype(np.uint8))


class Frame:
    """Where a part of the drawing lies: its origin, its scale and its tilt, in picture units."""

    def __init__(self, origin: Point, scale: Point = (1.0, 1.0), tilt: float = 0.0) -> None:
        c, s = cos(radians(tilt)), sin(radians(tilt))
        self.origin = np.array(origin)
        self.matrix = np.array([[c * scale[0], s * scale[0]], [-s * scale[1], c * scale[1]]])
        self.scale = scale
        self.tilt = tilt

    def shifted(self, x: float, y: float = 0.0) -> Frame:
        """The frame moved by (x, y) of its own units."""
        moved = np.array([x, y]) @ self.matrix + self.origin
        return Frame((float(moved[0]), float(moved[1])), self.scale, self.tilt)


class Canvas:
    """Draws over a large backdrop, in the current frame. `finish` gives the picture at its own size."""

    def __init__(self, backdrop: Image.Image, oversample: int) -> None:
        self.image = backdrop
        self.frame = Frame((0.0, 0.0))
        self._oversample = oversample
        self._draw = ImageDraw.Draw(backdrop)
        self._unit = backdrop.width / 100

    def _pixels(self, points: Points) -> list[float]:
        pixels: list[float] = (
            (((points @ self.frame.matrix) + self.frame.origin) * self._unit).ravel().tolist()
        )
        return pixels

    def polygon(self, points: Points, colour: Colour, edge: Colour | None = None) -> None:
        """A filled polygon, with a fine outline where `edge` names its colour."""
        pixels = self._pixels(points)
        self._draw.polygon(pixels, fill=colour)
        if edge is not None:
            self._draw.line(pixels + pixels[:4], fill=edge, width=max(1, round(0.7 * self._unit)))

    def blob(self, outline: Outline, colour: Colour, edge: Colour | None = None) -> None:
        """A smooth closed shape."""
        self.polygon(smooth(outline), colour, edge)

    def pair(self, outline: Outline, colour: Colour, edge: Colour | None = None) -> None:
        """A smooth closed shape and its mirror image."""
        self.blob(outline, colour, edge)
        self.blob(flipped(outline), colour, edge)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, colour: Colour, edge: Colour | None = None
    ) -> None:
        """An ellipse around (x, y)."""
        self.polygon(circle(x, y, rx, ry), colour, edge)

    def stroke(self, outline: Outline, width: float, colour: Colour, taper: bool = False) -> None:
        """A brush stroke through the points of `outline`."""
        self.polygon(ribbon(outline, width, taper), colour)

    def ring(self, points: Points, width: float, colour: Colour) -> None:
        """A closed line."""
        pixels = self._pixels(points)
        self._draw.line(pixels + pixels[:4], fill=colour, width=round(width * self._unit), joint="curve")

    def mask(self, outline: Outline) -> Image.Image:
        """The area of a smooth closed shape, to clip a glow with."""
        area = Image.new("L", self.image.size)
        ImageDraw.Draw(area).polygon(self._pixels(smooth(outline)), fill=255)
        return area

    def glow(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        colour: Colour,
        strength: float,
        clip: Image.Image | None = None,
    ) -> None:
        """A soft spot of light or shade, inside `clip` only where it is given."""
        centre_x, centre_y = self._pixels(np.array([[x, y]]))
        # Coarse steps of size, so that the soft discs repeat and can be kept.
        half_x, half_y = (
            _GLOW_STEP * max(1, round(r * s * self._unit / _GLOW_STEP))
            for r, s in zip((rx, ry), self.frame.scale, strict=True)
        )
        left, top = round(centre_x) - half_x, round(centre_y) - half_y
        soft = _soft_disc(half_x, half_y, strength)
        if clip is not None:
            soft = ImageChops.multiply(soft, clip.crop((left, top, left + 2 * half_x, top + 2 * half_y)))
        self.image.paste(colour, (left, top), soft)

    def finish(self) -> Image.Image:
        """The picture, reduced to its own size."""
        return self.image.reduce(self._oversample)
