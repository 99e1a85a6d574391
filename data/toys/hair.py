"""Hair and beards, drawn around a head whose centre is the origin."""

from __future__ import annotations

from math import cos, radians, sin

from data.toys.canvas import Canvas, Outline, mirrored
from data.toys.palette import Colour, darker, lighter, mix

# Hats that hide the top of the hair; a crown doesn't.
COVERING = frozenset({"cap", "beanie", "top hat"})

_SHORT: Outline = (
    (-19.6, 3), (-21.5, -8), (-20, -19), (-13, -27), (-2, -30), (9, -30), (18, -25), (21.5, -14), (19.8, 3),
    (17.4, 0), (16.6, -8), (12, -14.5), (4, -13), (-6, -11), (-13, -13), (-16.6, -8), (-17.4, 0),
)  # fmt: skip
_SHORT_SIDE: Outline = ((13, -19), (20.4, -17), (21.5, -7), (19.8, 5), (17.2, 1), (16.2, -9))
_LONG_BACK: Outline = mirrored(
    ((0, -29), (14, -27), (23, -15), (25, 4), (27, 24), (25, 40), (12, 44), (0, 44))
)
_LONG_BACK_LOW: Outline = mirrored(
    ((0, -17), (14, -17), (22, -12), (25, 4), (27, 24), (25, 40), (12, 44), (0, 44))
)
_CURTAIN: Outline = (
    (-2, -29), (11, -28), (21.5, -18), (24.5, 0), (27, 20), (27.5, 36), (23, 42), (18, 36), (19.5, 18),
    (18.6, 2), (14, -8), (5, -15), (-2, -20),
)  # fmt: skip
_CURTAIN_LOW: Outline = (
    (11, -18), (20, -17), (24, 0), (27, 20), (27.5, 36), (23, 42), (18, 36), (19.5, 18), (18.6, 2),
    (14.5, -8),
)  # fmt: skip
_PIGTAIL_TOP: Outline = mirrored(
    ((0, -28.5), (11, -28), (19.5, -20), (22, -6), (19.5, 2), (17, -2), (14.5, -10), (8, -15.5), (0, -20)),
)
_BUNCH: Outline = ((21, -4), (29, -5), (35, 5), (36, 18), (31, 31), (27, 33), (25, 24), (23, 12))
_MOUSTACHE: Outline = mirrored(
    ((0, 10.6), (3, 9.2), (8, 10.4), (12.6, 14), (14, 12.6), (13.4, 16), (8.6, 16.8), (3.4, 15), (0, 13.6)),
)
_GOATEE: Outline = mirrored(((0, 20.4), (5, 19.8), (8.4, 20.4), (8, 25), (4, 28.4), (0, 29.2)))
_FULL_BEARD: Outline = mirrored(
    (
        (0, 10),
        (5, 10.4),
        (10.5, 9.6),
        (15, 5),
        (17, -2),
        (19.8, -2),
        (20, 10),
        (17, 20.5),
        (10.5, 28.5),
        (0, 31.5),
    ),
)

_CURLS = (
    *((21.5 * cos(radians(angle)), -3 + 23 * sin(radians(angle)), 7.4) for angle in range(-205, 26, 23)),
    (-22, 13, 6.4),
    (22, 13, 6.4),
)
_CURLY_TOP: Outline = mirrored(((0, -27), (12, -25), (20, -15), (19, -5), (14, -12), (0, -16)))
_FRINGE_CURLS = (
    (-15, -13.6, 5.8),
    (-9.6, -20, 5.8),
    (0, -22.6, 6),
    (9.6, -20, 5.8),
    (-5, -16.4, 6),
    (5, -16.4, 6),
    (15, -13.6, 5.8),
)


def _curls(canvas: Canvas, colour: Colour, covered: bool, fringe: bool) -> None:
    shade, light = darker(colour, 0.28), lighter(colour, 0.3)
    curls = _FRINGE_CURLS if fringe else _CURLS
    shown = [curl for curl in curls if not covered or curl[1] > -14]
    for x, y, r in shown:
        canvas.ellipse(x, y + 0.7, r, r, shade)
        canvas.ellipse(x, y - 0.5, r - 0.7, r - 0.7, colour)
    for x, y, r in shown:
        arc = ((x - r * 0.55, y + r * 0.05), (x - r * 0.3, y - r * 0.5), (x + r * 0.3, y - r * 0.55))
        canvas.stroke(arc, 1.3, light, taper=True)


def back_hair(canvas: Canvas, style: str, colour: Colour, hat: str) -> None:
    """The hair behind the head and the neck."""
    covered = hat in COVERING
    shade = darker(colour, 0.3)
    if style == "long":
        canvas.blob(_LONG_BACK_LOW if covered else _LONG_BACK, shade)
    elif style == "curly":
        if not covered:
            canvas.ellipse(0, -6, 22, 22, shade)
        canvas.ellipse(0, 4, 22, 14, shade)
        _curls(canvas, colour, covered, fringe=False)
    elif style == "pigtails":
        canvas.pair(_BUNCH, colour, darker(colour, 0.3))
        for x in (-1, 1):
            canvas.stroke(((27 * x, 2), (31 * x, 12), (30 * x, 24)), 1.6, lighter(colour, 0.28), taper=True)
            canvas.stroke(
                ((24.5 * x, 4), (27.5 * x, 16), (27.5 * x, 28)), 1.2, darker(colour, 0.25), taper=True
            )


def front_hair(canvas: Canvas, style: str, colour: Colour, hat: str) -> None:
    """The hair that frames the face."""
    covered = hat in COVERING
    shade, light = darker(colour, 0.25), lighter(colour, 0.32)
    if style == "short":
        _front_short(canvas, colour, covered)
    elif style == "long":
        canvas.pair(_CURTAIN_LOW if covered else _CURTAIN, colour, shade)
        for x in (-1, 1):
            canvas.stroke(((22 * x, 6), (24 * x, 20), (24 * x, 34)), 1.4, shade, taper=True)
            canvas.stroke(((19.8 * x, -12), (22.4 * x, 0), (23.4 * x, 12)), 1.8, light, taper=True)
        if not covered:
            canvas.stroke(((3, -24), (10, -23), (16, -17)), 2, light, taper=True)
            canvas.stroke(((-4, -24), (-10, -23), (-15.5, -17)), 2, light, taper=True)
    elif style == "curly" and not covered:
        canvas.blob(_CURLY_TOP, shade)
        _curls(canvas, colour, covered, fringe=True)
    elif style == "pigtails":
        _front_pigtails(canvas, colour, covered)


def _front_short(canvas: Canvas, colour: Colour, covered: bool) -> None:
    shade, light = darker(colour, 0.25), lighter(colour, 0.32)
    if covered:
        canvas.pair(_SHORT_SIDE, colour, shade)
        return
    canvas.blob(_SHORT, colour, shade)
    canvas.stroke(((-14, -21), (-6, -25.5), (4, -26), (12, -23)), 2.2, light, taper=True)
    canvas.stroke(((-8, -20.5), (-1, -22.5), (6, -22)), 1.4, light, taper=True)
    canvas.stroke(((-15, -14), (-6, -16.5), (4, -17), (12, -18.5)), 1.2, shade, taper=True)


def _front_pigtails(canvas: Canvas, colour: Colour, covered: bool) -> None:
    shade, light = darker(colour, 0.25), lighter(colour, 0.32)
    if covered:
        canvas.pair(_SHORT_SIDE, colour, shade)
    else:
        canvas.blob(_PIGTAIL_TOP, colour, shade)
        canvas.stroke(((0, -28), (0.6, -24), (0, -20)), 1, shade)
        for x in (-1, 1):
            canvas.stroke(((4 * x, -24.5), (11 * x, -22.5), (16.5 * x, -14)), 2, light, taper=True)
    for x in (-1, 1):
        canvas.ellipse(22.6 * x, -2.6, 3, 3.4, (236, 84, 130), (168, 44, 90))


def beard(canvas: Canvas, kind: str, colour: Colour) -> None:
    """The beard below the mouth, which is drawn over it."""
    shade, light = darker(colour, 0.22), lighter(colour, 0.22)
    if kind == "full beard":
        canvas.blob(_FULL_BEARD, colour, shade)
        for x in (-9, -3.4, 3.4, 9):
            canvas.stroke(
                ((x, 21.5), (x * 0.9, 24.5), (x * 0.72, 27.5)), 1, mix(colour, shade, 0.8), taper=True
            )
        for x in (-1, 1):
            canvas.stroke(((17.6 * x, 3), (17 * x, 10), (14 * x, 17)), 1.4, light, taper=True)
    elif kind == "goatee":
        canvas.blob(_GOATEE, colour, shade)
        canvas.stroke(((-2, 23), (-1.6, 26), (-0.6, 28.4)), 1, light, taper=True)


def moustache(canvas: Canvas, kind: str, colour: Colour) -> None:
    """The moustache above the mouth: alone, or as part of a full beard."""
    if kind in ("moustache", "full beard"):
        canvas.blob(_MOUSTACHE, colour, darker(colour, 0.25))
        for x in (-1, 1):
            canvas.stroke(
                ((2.5 * x, 11.4), (6 * x, 11.6), (10 * x, 14)), 0.9, lighter(colour, 0.28), taper=True
            )
