"""What a person puts on: shirts in the body's frame, glasses and hats in the head's."""

from __future__ import annotations

import numpy as np

from data.toys.canvas import Canvas, Outline, circle, mirrored, smooth
from data.toys.palette import GOLD, INK, WHITE, Colour, darker, is_dark, lighter, mix

_TORSO: Outline = mirrored(((0, -3), (8, -4), (16, 1), (27, 5.5), (35, 13), (38, 30), (38, 44), (0, 44)))
_FLAP: Outline = ((0.6, 7.5), (7.6, -5), (11.4, -2.4), (11.2, 4), (6.2, 10.4))
_SLEEVE: Outline = ((23.5, 16), (25, 24), (24.5, 34))

_CAP_DOME: Outline = mirrored(((0, -31.5), (10, -30), (18.5, -23.5), (21.6, -12.5), (14, -11), (0, -12)))
_CAP_BRIM: Outline = mirrored(
    ((0, -17.4), (10, -16.8), (19, -14), (24.5, -8.6), (19, -8), (9, -10), (0, -10.8))
)
_BEANIE_DOME: Outline = mirrored(((0, -32), (10, -31), (18.5, -24.5), (21, -13), (0, -12)))
_BEANIE_BAND: Outline = mirrored(
    ((0, -19.6), (11, -19.2), (21.4, -16.8), (22.4, -13), (21.4, -9.2), (11, -11), (0, -11.4))
)
_TOP_HAT: Outline = (
    (-16.4, -43), (-8, -44.4), (8, -44.4), (16.4, -43), (15.6, -30), (16, -15), (0, -13), (-16, -15),
    (-15.6, -30),
)  # fmt: skip
_TOP_HAT_BAND: Outline = (
    (-15.4, -22.4),
    (0, -20.6),
    (15.4, -22.4),
    (15.7, -16.4),
    (0, -14.4),
    (-15.7, -16.4),
)
_CROWN: Outline = (
    (-17, -19),
    (-21, -35),
    (-10.6, -27.4),
    (-0.1, -39),
    (10.6, -27.4),
    (21, -35),
    (17, -19),
    (0, -16.4),
)
_SQUARE_LENS: Outline = (
    (-6.6, -4.6),
    (0, -5.4),
    (6.6, -4.6),
    (7.2, 0),
    (6.4, 4.8),
    (0, 5.6),
    (-6.4, 4.8),
    (-7.2, 0),
)
_DARK_LENS: Outline = (
    (-6.8, -4.8),
    (0, -5.2),
    (7, -4.8),
    (7.4, 0),
    (4.8, 5.6),
    (0, 6.4),
    (-5, 5.2),
    (-7.2, 0),
)

_CAP: Colour = (214, 60, 52)
_BEANIE: Colour = (30, 148, 150)
_TOP: Colour = (44, 38, 52)


def shirt(canvas: Canvas, colour: Colour) -> None:
    """Shoulders, a collar and buttons."""
    shade, light = darker(colour, 0.2), lighter(colour, 0.3)
    if is_dark(colour) or min(colour) > 200:
        shade = darker(colour, 0.4)
    canvas.blob(_TORSO, colour, shade)
    torso = canvas.mask(_TORSO)
    canvas.glow(-26, 12, 20, 22, light, 0.5, torso)
    canvas.glow(30, 22, 22, 26, darker(colour, 0.2), 0.7, torso)
    for x in (-1, 1):
        canvas.stroke(tuple((x * px, y) for px, y in _SLEEVE), 1.2, shade, taper=True)
    canvas.stroke(((0, 8), (0.2, 16), (0, 30)), 1, shade)
    for x in (-1, 1):
        canvas.blob(tuple((x * px, y) for px, y in _FLAP), lighter(colour, 0.2), shade)
    for y in (14, 21):
        canvas.ellipse(1.8, y, 0.9, 0.9, light if is_dark(colour) else shade)


def _frame_line(canvas: Canvas, colour: Colour, eye_x: float) -> None:
    canvas.stroke(((-2.2, 0.2), (0, -1), (2.2, 0.2)), 1.6, colour)
    for x in (-1, 1):
        canvas.stroke(((x * (eye_x + 6), -1.4), (x * (eye_x + 9.5), -1.6), (x * 20, -1)), 1.6, colour)


def glasses(canvas: Canvas, kind: str, eye_x: float) -> None:
    """Glasses over eyes at (+-eye_x, 0)."""
    if kind == "none":
        return
    _frame_line(canvas, INK, eye_x)
    for x in (-eye_x, eye_x):
        if kind == "sunglasses":
            lens = tuple((x + (px if x > 0 else -px), y) for px, y in _DARK_LENS)
            canvas.blob(lens, (40, 40, 58), INK)
            canvas.stroke(((x - 4.6, -1.4), (x - 2, -3.4), (x + 1.4, -3.8)), 1.7, (150, 160, 190), taper=True)
            continue
        canvas.glow(x, 0, 9, 8.5, WHITE, 0.35)
        if kind == "round":
            canvas.ring(circle(x, 0, 6.9, 6.9), 1.8, INK)
        else:
            canvas.ring(np.add(smooth(_SQUARE_LENS), (x, 0)), 2.1, INK)


def hat(canvas: Canvas, kind: str) -> None:
    """A hat on a head whose centre is the origin."""
    if kind == "cap":
        _cap(canvas)
    elif kind == "beanie":
        _beanie(canvas)
    elif kind == "top hat":
        _top_hat(canvas)
    elif kind == "crown":
        _crown(canvas)


def _cap(canvas: Canvas) -> None:
    shade = darker(_CAP, 0.3)
    canvas.blob(_CAP_DOME, _CAP, shade)
    dome = canvas.mask(_CAP_DOME)
    canvas.glow(-8, -26, 14, 10, lighter(_CAP, 0.5), 0.6, dome)
    canvas.stroke(((-8.5, -30), (-10.5, -23), (-10, -16)), 0.8, shade)
    canvas.stroke(((8.5, -30), (10.5, -23), (10, -16)), 0.8, shade)
    canvas.ellipse(0, -22.6, 4.6, 4.6, WHITE)
    canvas.ellipse(0, -31.4, 2, 1.2, shade)
    canvas.blob(_CAP_BRIM, darker(_CAP, 0.14), shade)
    canvas.stroke(((-15, -13.6), (-6, -15.4), (4, -15.4)), 1, lighter(_CAP, 0.3), taper=True)


def _beanie(canvas: Canvas) -> None:
    shade, light = darker(_BEANIE, 0.28), lighter(_BEANIE, 0.3)
    canvas.ellipse(0, -34.5, 5, 4.8, light, shade)
    canvas.blob(_BEANIE_DOME, _BEANIE, shade)
    canvas.glow(-7, -27, 13, 10, lighter(_BEANIE, 0.5), 0.5, canvas.mask(_BEANIE_DOME))
    canvas.blob(_BEANIE_BAND, mix(_BEANIE, light, 0.7), shade)
    for x in range(-16, 17, 8):
        top = -18.4 + abs(x) * 0.09
        canvas.stroke(((x, top), (x * 1.02, top + 3), (x * 1.03, top + 5.4)), 1, shade, taper=True)


def _top_hat(canvas: Canvas) -> None:
    canvas.ellipse(0, -14.4, 27, 4.8, darker(_TOP, 0.4), INK)
    canvas.ellipse(0, -15.4, 26.4, 4, lighter(_TOP, 0.12))
    canvas.polygon(np.array(_TOP_HAT), _TOP)
    canvas.polygon(np.array(_TOP_HAT_BAND), (186, 46, 62))
    canvas.stroke(((-11, -41), (-10.6, -32), (-10.8, -24)), 3, lighter(_TOP, 0.3), taper=True)
    canvas.ellipse(0, -43.4, 16.2, 2.4, lighter(_TOP, 0.16))


def _crown(canvas: Canvas) -> None:
    shade = darker(GOLD, 0.35)
    canvas.polygon(np.array(_CROWN), GOLD, shade)
    canvas.stroke(((-16.4, -21.4), (0, -19), (16.4, -21.4)), 1.4, lighter(GOLD, 0.6))
    for x, y in ((-21, -35), (0, -39), (21, -35)):
        canvas.ellipse(x, y, 2.2, 2.2, lighter(GOLD, 0.4), shade)
    canvas.ellipse(0, -25.4, 2.1, 2.5, (220, 50, 80))
    for sapphire in (-9.6, 9.6):
        canvas.ellipse(sapphire, -23.6, 2.1, 2.5, (62, 120, 220))
