"""From traits to a picture."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from data.toys import styles
from data.toys.canvas import Canvas
from data.toys.palette import BACKGROUND, Colour, darker, lighter, mix
from data.toys.person import draw_person
from data.toys.pets import draw_pet
from data.toys.traits import Traits

SIZE = 128


def draw(traits: Traits, rng: np.random.Generator, size: int = SIZE) -> Image.Image:
    """The square RGB picture that shows `traits`. Grain and brush strokes are up to `rng`."""
    # A sketch is drawn on bare paper.
    bare = traits.style == "pencil sketch"
    colour, kind = ("white", "plain") if bare else (traits.background, traits.pose.backdrop)
    canvas = Canvas(_backdrop(size, BACKGROUND[colour], kind).copy(), _oversampling(size))
    if traits.subject == "person":
        draw_person(canvas, traits)
    else:
        draw_pet(canvas, traits)
    return _render(canvas.finish(), traits, rng)


def _render(picture: Image.Image, traits: Traits, rng: np.random.Generator) -> Image.Image:
    match traits.style:
        case "pencil sketch":
            return styles.pencil(picture, rng)
        case "oil painting":
            return styles.oil(picture, rng)
        case "pixel art":
            return styles.pixels(picture)
        case _:
            return styles.photo(picture, traits.pose)


def _oversampling(size: int) -> int:
    return 3 if size <= 256 else 2


@lru_cache(maxsize=128)
def _backdrop(size: int, colour: Colour, kind: str) -> Image.Image:
    side = size * _oversampling(size)
    canvas = Canvas(Image.new("RGB", (side, side), colour), _oversampling(size))
    light, shade = lighter(colour, 0.3), mix(colour, darker(colour, 0.2), 0.5)
    canvas.glow(50, 110, 90, 60, shade, 0.8)
    if kind == "disc":
        canvas.ellipse(50, 50, 42, 42, light)
    elif kind == "dots":
        for row in range(8):
            for column in range(8):
                canvas.ellipse(14 * column + 7 * (row % 2), 14 * row + 2, 1.9, 1.9, light)
    elif kind == "stripes":
        for x in range(-100, 100, 22):
            canvas.polygon(np.array([(x, 100.0), (x + 10, 100.0), (x + 110, 0.0), (x + 100, 0.0)]), light)
    else:
        canvas.glow(50, 30, 70, 60, light, 0.9)
    return canvas.image
