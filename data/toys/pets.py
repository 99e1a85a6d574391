"""Cats and dogs."""

from __future__ import annotations

from data.toys import palette
from data.toys.canvas import Canvas, Frame, Outline, mirrored
from data.toys.palette import GOLD, INK, TONGUE, WHITE, Colour, darker, is_dark, lighter, mix
from data.toys.traits import Pose, Traits

_PINK: Colour = (244, 150, 160)
_CAT_HEAD: Outline = mirrored(
    ((0, -20), (9, -19.6), (19, -14), (25, -1), (25.6, 7), (21, 15.6), (12, 21), (0, 22.4)),
)
_CAT_EAR: Outline = ((7, -17), (13, -26), (20.6, -33.6), (23.4, -32), (25, -20), (24.6, -5), (16, -8))
_CAT_EAR_INSIDE: Outline = ((12.4, -18), (17, -24), (20.8, -27.6), (22, -20), (21.6, -12), (17, -13))
_CAT_BODY: Outline = mirrored(((0, 8), (14, 12), (21, 22), (25, 36), (26, 60), (0, 60)))
_CAT_MUZZLE: Outline = mirrored(((0, 5.4), (5, 6.4), (9.8, 10), (9.4, 16), (4.6, 18.8), (0, 18.4)))
_DOG_HEAD: Outline = mirrored(
    ((0, -24), (10, -23), (18, -16), (20.6, -4), (19.6, 8), (17, 18), (9, 24.6), (0, 26))
)
_DOG_EAR: Outline = (
    (10, -21),
    (18, -23.6),
    (25.6, -18),
    (29.4, -4),
    (29.6, 10),
    (26, 17.6),
    (21, 15),
    (18.6, 4),
    (16, -9),
)
_DOG_BODY: Outline = mirrored(((0, 12), (13, 16), (21, 24), (28, 38), (29, 60), (0, 60)))
_DOG_MUZZLE: Outline = mirrored(
    ((0, -18), (3.4, -12), (4, -2), (8, 3), (13.4, 9), (13, 18), (7.6, 23.6), (0, 25))
)
_COLLAR: Outline = mirrored(((0, 23.6), (9, 22.4), (16.6, 18), (18, 22.4), (10.4, 27.8), (0, 29.2)))
_EYES: tuple[Colour, ...] = ((120, 190, 80), (240, 186, 60), (90, 176, 214))


def draw_pet(canvas: Canvas, traits: Traits) -> None:
    """Draws a cat or a dog on the canvas."""
    pose, fur = traits.pose, palette.FUR[traits.fur]
    x, y = 50 + pose.offset_x, 50 + pose.offset_y
    head = Frame((x, y), (pose.scale * traits.face_width, pose.scale), pose.tilt)
    canvas.frame = Frame((x, y), (pose.scale, pose.scale), pose.tilt * 0.2)
    if traits.subject == "cat":
        _body(canvas, _CAT_BODY, fur, traits.collar)
        canvas.frame = head
        _cat_head(canvas, fur, pose)
        canvas.frame = head.shifted(pose.turn)
        _cat_face(canvas, fur, pose, _EYES[traits.iris])
    else:
        _body(canvas, _DOG_BODY, fur, traits.collar)
        canvas.frame = head
        _dog_head(canvas, fur, pose)
        canvas.frame = head.shifted(pose.turn)
        _dog_face(canvas, fur, pose)


def _belly(fur: Colour) -> Colour:
    """The lighter fur of chest and muzzle."""
    return mix(fur, (255, 246, 230), 0.3 if is_dark(fur) else 0.62)


def _rim(fur: Colour) -> Colour:
    return lighter(fur, 0.18) if is_dark(fur) else darker(fur, 0.26)


def _body(canvas: Canvas, outline: Outline, fur: Colour, collar: str) -> None:
    canvas.blob(outline, fur, _rim(fur))
    body = canvas.mask(outline)
    canvas.glow(0, 44, 15, 22, _belly(fur), 1.0, body)
    canvas.glow(0, 22, 26, 10, darker(fur, 0.5), 0.7, body)
    if collar != "none":
        colour = palette.COLLAR[collar]
        canvas.blob(_COLLAR, colour, darker(colour, 0.3))
        canvas.stroke(((-13, 22.6), (-6, 25), (2, 25.6)), 1.1, lighter(colour, 0.4), taper=True)
        canvas.ellipse(0, 30.6, 3.5, 3.5, GOLD, darker(GOLD, 0.4))
        canvas.ellipse(-0.9, 29.6, 1.1, 1.1, WHITE)


def _shading(canvas: Canvas, outline: Outline, fur: Colour, pose: Pose) -> None:
    head = canvas.mask(outline)
    side = 1 if pose.light < 0 else -1
    canvas.glow(24 * side, 8, 16, 28, darker(fur, 0.4), 0.6, head)
    canvas.glow(-8 * side, -11, 15, 12, lighter(fur, 0.5), 0.45, head)


def _cat_head(canvas: Canvas, fur: Colour, pose: Pose) -> None:
    canvas.pair(_CAT_EAR, fur, _rim(fur))
    canvas.pair(_CAT_EAR_INSIDE, mix(_PINK, fur, 0.25))
    canvas.blob(_CAT_HEAD, fur, _rim(fur))
    _shading(canvas, _CAT_HEAD, fur, pose)
    stripe = lighter(fur, 0.22) if is_dark(fur) else darker(fur, 0.34)
    for x, length in ((0, 9), (-5, 6.4), (5, 6.4)):
        canvas.stroke(((x, -19.4), (x * 0.95, -16), (x * 0.8, -19 + length)), 2.2, stripe, taper=True)
    for x in (-1, 1):
        for y in (5, 10):
            canvas.stroke(((24.6 * x, y), (21 * x, y + 0.4), (17.6 * x, y - 0.2)), 1.9, stripe, taper=True)


def _cat_face(canvas: Canvas, fur: Colour, pose: Pose, iris: Colour) -> None:
    canvas.blob(_CAT_MUZZLE, _belly(fur))
    for x in (-1, 1):
        canvas.ellipse(10.4 * x, 0, 5.6, 5.8, INK)
        canvas.ellipse(10.4 * x, 0, 4.9, 5.1, iris)
        canvas.glow(10.4 * x, 3, 5, 3.4, WHITE, 0.5)
        canvas.ellipse(10.4 * x + pose.gaze_x, 0.3 + pose.gaze_y, 2.2, 4.2, (20, 18, 24))
        canvas.ellipse(10.4 * x + pose.gaze_x - 1.2, -1.9 + pose.gaze_y, 1.3, 1.3, WHITE)
    canvas.blob(
        ((-3, 7.2), (0, 6.6), (3, 7.2), (1.4, 9.6), (0, 10.4), (-1.4, 9.6)), _PINK, darker(_PINK, 0.35)
    )
    if pose.mouth in ("grin", "laugh"):
        canvas.blob(mirrored(((0, 13), (3.2, 13.4), (2, 17), (0, 17.8))), TONGUE, darker(TONGUE, 0.45))
    whisker = WHITE if is_dark(fur) else mix(INK, fur, 0.3)
    for x in (-1, 1):
        canvas.stroke(((0, 10), (0.6 * x, 12.6), (3 * x, 14), (5.6 * x, 12.6)), 1.1, INK, taper=True)
        for y, drop in ((9.6, -1.8), (12.4, 0.6), (15, 3)):
            canvas.stroke(
                ((9 * x, y), (17 * x, y + drop * 0.5), (26.6 * x, y + drop * 1.3)), 0.8, whisker, taper=True
            )


def _dog_head(canvas: Canvas, fur: Colour, pose: Pose) -> None:
    canvas.blob(_DOG_HEAD, fur, _rim(fur))
    _shading(canvas, _DOG_HEAD, fur, pose)
    ear = lighter(fur, 0.1) if is_dark(fur) else darker(fur, 0.3)
    canvas.pair(_DOG_EAR, ear, _rim(ear))
    for x in (-1, 1):
        canvas.stroke(((19 * x, -19), (24.6 * x, -10), (26.4 * x, 4)), 1.8, lighter(ear, 0.2), taper=True)


def _dog_face(canvas: Canvas, fur: Colour, pose: Pose) -> None:
    canvas.blob(_DOG_MUZZLE, _belly(fur))
    for x in (-1, 1):
        canvas.ellipse(9 * x, -4, 3.9, 4.2, (38, 26, 26), _belly(fur) if is_dark(fur) else None)
        canvas.ellipse(9 * x + pose.gaze_x * 0.5 - 1.1, -5.4 + pose.gaze_y * 0.5, 1.5, 1.5, WHITE)
        canvas.glow(9 * x + 1, -2.2, 2, 1.4, (190, 130, 90), 0.8)
        canvas.stroke(((6 * x, -11), (9 * x, -12.2), (12.4 * x, -10.4)), 1.8, darker(fur, 0.4), taper=True)
        canvas.glow(13 * x, 6, 5, 4, _PINK, 0.35)
    if pose.mouth in ("smile", "grin", "laugh"):
        low = 27.4 if pose.mouth == "smile" else 30
        canvas.blob(mirrored(((0, 16.6), (4.4, 16.6), (4.6, low - 4), (0, low))), TONGUE, darker(TONGUE, 0.4))
        canvas.stroke(((0, 18), (0, 21), (0, low - 4)), 0.9, darker(TONGUE, 0.3), taper=True)
    for x in (-1, 1):
        canvas.stroke(((0, 11), (0.6 * x, 15.4), (4.6 * x, 17.6), (9.6 * x, 15.2)), 1.5, INK, taper=True)
    canvas.blob(((-5.6, 6), (0, 4), (5.6, 6), (4, 10.2), (0, 12), (-4, 10.2)), INK)
    canvas.stroke(((-3, 6.8), (0, 5.7), (2.4, 6.4)), 1.3, (150, 146, 160), taper=True)
