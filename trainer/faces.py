"""Where faces are in a photo, and the square around one, by OpenCV's Haar cascades. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from trainer.subjects import Kind, kind_of

_CASCADES = f"{Path(cv2.__file__).parent}/data/"
_FILES: dict[Kind, str] = {
    "person": "haarcascade_frontalface_default.xml",
    "cat": "haarcascade_frontalcatface.xml",
}
_SEARCH_SIDE = 640
"""Photos are searched at this size; a face is at least `_SMALLEST` of it."""
_SMALLEST = 0.08
_SURE = 2.0
"""Least level weight of a finding: patterns that only look like a face stay below 1."""
_COMPANION = 0.5
"""A face so large, relative to the largest, could as well be the one that is meant."""
_OVERLAP = 0.3

# A cascade's box spans the brows to the chin. In widths of it, from its centre: hair, chin, ears.
_HEAD_ABOVE, _HEAD_BELOW, _HEAD_ASIDE = 1.0, 0.7, 0.75
_CROP_FACES = 3.0
_SUFFICIENT = 1 / (_CROP_FACES * _SMALLEST)
_FACE_HEIGHT = 0.42
"""Where the face's centre comes to lie in the crop, from its top."""


@dataclass(frozen=True, slots=True)
class Face:
    """A square box in pixels of the photo; `left` and `top` are its corner."""

    left: float
    top: float
    side: float

    @property
    def centre(self) -> tuple[float, float]:
        return self.left + self.side / 2, self.top + self.side / 2


def sufficient_side(size: int) -> int:
    """Pixels of a photo's side from which on the smallest face that is found fills a crop of `size`."""
    return max(_SEARCH_SIDE, round(_SUFFICIENT * size))


def find_faces(image: Image.Image, class_name: str) -> list[Face]:
    """The faces that could be the subject's, from left to right; none for a class without a cascade."""
    kind = kind_of(class_name)
    if kind is None:
        return []
    scale = _SEARCH_SIDE / max(image.size)
    grey = image.convert("L").resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    )
    least = round(_SMALLEST * _SEARCH_SIDE)
    boxes, _, weights = _cascade(kind).detectMultiScale3(
        cv2.equalizeHist(np.asarray(grey)), 1.1, 4, minSize=(least, least), outputRejectLevels=True
    )
    found = [
        Face(float(x) / scale, float(y) / scale, float(max(w, h)) / scale)
        for (x, y, w, h), weight in zip(boxes, np.ravel(weights), strict=True)
        if weight >= _SURE
    ]
    distinct: list[Face] = []
    for face in sorted(found, key=lambda face: -face.side):
        if all(_overlap(face, other) < _OVERLAP for other in distinct):
            distinct.append(face)
    meant = [face for face in distinct if face.side >= _COMPANION * distinct[0].side]
    return sorted(meant, key=lambda face: face.left)


def crop_to_face(image: Image.Image, face: Face, size: int) -> Image.Image:
    """A square of the photo with the whole head in it and some of the shoulders, not yet scaled to `size`.

    Where a head is taller than the photo is wide, the missing strips are mirrored: a model learns cut heads.
    """
    x, y = face.centre
    head_top = max(0.0, y - _HEAD_ABOVE * face.side)
    head_bottom = min(float(image.height), y + _HEAD_BELOW * face.side)
    head_left = max(0.0, x - _HEAD_ASIDE * face.side)
    head_right = min(float(image.width), x + _HEAD_ASIDE * face.side)
    wanted = min(max(_CROP_FACES * face.side, size), *image.size)
    side = round(max(wanted, head_bottom - head_top, head_right - head_left))
    left = _placed(x - side / 2, side, head_left, head_right, image.width)
    top = _placed(y - _FACE_HEIGHT * side, side, head_top, head_bottom, image.height)
    return _mirrored(image, left, top, side)


def _placed(start: float, side: int, low: float, high: float, length: int) -> int:
    """Where a crop begins so that it holds low..high and, if it can, stays inside the photo."""
    start = min(max(start, high - side), low)
    if side > length:
        return round((length - side) / 2)
    return round(min(max(start, 0.0), length - side))


def _mirrored(image: Image.Image, left: int, top: int, side: int) -> Image.Image:
    right, bottom = left + side, top + side
    inside = image.crop((max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)))
    if inside.size == (side, side):
        return inside
    beyond = (max(0, -top), max(0, bottom - image.height), max(0, -left), max(0, right - image.width))
    return Image.fromarray(cv2.copyMakeBorder(np.asarray(inside), *beyond, cv2.BORDER_REFLECT_101))


def _overlap(one: Face, other: Face) -> float:
    """Shared area as a share of the smaller box."""
    wide = min(one.left + one.side, other.left + other.side) - max(one.left, other.left)
    high = min(one.top + one.side, other.top + other.side) - max(one.top, other.top)
    return max(0.0, wide) * max(0.0, high) / min(one.side, other.side) ** 2


@cache
def _cascade(kind: Kind) -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(_CASCADES + _FILES[kind])
