"""A person: head and shoulders."""

from __future__ import annotations

from data.toys import hair, palette, wear
from data.toys.canvas import Canvas, Frame, Outline, mirrored
from data.toys.palette import BLUSH, INK, LIPS, MOUTH, TONGUE, WHITE, Colour, darker, lighter, mix
from data.toys.traits import Pose, Traits

_FACE: Outline = mirrored(
    ((0, -25), (10, -24), (17.6, -17), (19.4, -5), (18.6, 7), (14.6, 17.4), (7.6, 23.6), (0, 25))
)
_NECK: Outline = mirrored(((0, 10), (8, 10), (7.6, 28), (10.4, 33), (6, 40), (0, 43)))
_IRISES: tuple[Colour, ...] = ((92, 58, 40), (60, 106, 60), (46, 96, 160))
_EYE_X = 8.4


def draw_person(canvas: Canvas, traits: Traits) -> None:
    """Draws a person on the canvas."""
    pose = traits.pose
    colour, skin = palette.HAIR[traits.hair_colour], palette.SKIN[traits.skin]
    head, body = _frames(pose, traits.face_width)
    canvas.frame = head
    hair.back_hair(canvas, traits.hair_style, colour, traits.hat)
    canvas.frame = body
    canvas.blob(_NECK, darker(skin, 0.1))
    canvas.glow(0, 21, 13, 9, darker(skin, 0.45), 0.9, canvas.mask(_NECK))
    canvas.frame = body.shifted(0, 30)
    wear.shirt(canvas, palette.SHIRT[traits.shirt])
    canvas.frame = head
    _head(canvas, traits, skin)
    canvas.frame = head.shifted(pose.turn)
    _face(canvas, traits, skin, _IRISES[traits.iris])
    canvas.frame = head.shifted(pose.turn * 0.4)
    hair.front_hair(canvas, traits.hair_style, colour, traits.hat)
    canvas.frame = head.shifted(pose.turn, 1)
    wear.glasses(canvas, traits.glasses, _EYE_X)
    canvas.frame = head.shifted(pose.turn * 0.3)
    wear.hat(canvas, traits.hat)


def _frames(pose: Pose, face_width: float) -> tuple[Frame, Frame]:
    x, y = 50 + pose.offset_x, 49 + pose.offset_y
    head = Frame((x, y), (pose.scale * face_width, pose.scale), pose.tilt)
    # The head tilts on the neck, so the shoulders follow it only a little.
    body = Frame((x + 0.35 * pose.tilt, y), (pose.scale, pose.scale), pose.tilt * 0.15)
    return head, body


def _head(canvas: Canvas, traits: Traits, skin: Colour) -> None:
    shade = darker(skin, 0.22)
    if traits.hair_style in ("short", "bald"):
        for x in (-1, 1):
            canvas.ellipse(19.4 * x, 1.5, 3.8, 5.4, skin, shade)
            canvas.ellipse(19.9 * x, 1.8, 1.8, 3, shade)
    canvas.blob(_FACE, skin, shade)
    face = canvas.mask(_FACE)
    side = 1 if traits.pose.light < 0 else -1
    canvas.glow(20 * side, 8, 15, 30, darker(skin, 0.35), 0.55, face)
    canvas.glow(-7 * side, -8, 17, 19, lighter(skin, 0.5), 0.45, face)
    if traits.hair_style == "bald":
        canvas.glow(-7 * side, -18, 7, 4.6, WHITE, 0.75, face)
    else:
        canvas.glow(0, -15, 24, 8, darker(skin, 0.4), 0.45, face)


def _face(canvas: Canvas, traits: Traits, skin: Colour, iris: Colour) -> None:
    pose = traits.pose
    colour = palette.HAIR[traits.hair_colour]
    blush = mix(BLUSH, skin, 0.45)
    for x in (-1, 1):
        canvas.glow(12.4 * x, 9, 6, 4.6, blush, 0.55)
    hair.beard(canvas, traits.beard, colour)
    if traits.glasses != "sunglasses":
        _eyes(canvas, pose, skin, iris)
    _brows(canvas, pose, mix(colour, INK, 0.3))
    canvas.stroke(
        ((-0.4, 1.6), (-1.6, 5.6), (-2, 7.4), (0.2, 8.6), (2.2, 7.8)), 1.4, darker(skin, 0.34), taper=True
    )
    canvas.glow(0.4, 6, 2.2, 2.6, lighter(skin, 0.6), 0.7)
    _mouth(canvas, pose.mouth)
    hair.moustache(canvas, traits.beard, colour)


def _brows(canvas: Canvas, pose: Pose, colour: Colour) -> None:
    face = canvas.frame
    canvas.frame = face.shifted(0, -pose.brow_lift)
    for x in (-1, 1):
        canvas.stroke(((4.2 * x, -8), (8.4 * x, -9.6), (13 * x, -7.6)), 2, colour, taper=True)
    canvas.frame = face


def _eyes(canvas: Canvas, pose: Pose, skin: Colour, iris: Colour) -> None:
    for x in (-_EYE_X, _EYE_X):
        canvas.ellipse(x, 1, 4.5, 4.5, WHITE, darker(skin, 0.4))
        look_x, look_y = x + pose.gaze_x, 1.2 + pose.gaze_y
        canvas.ellipse(look_x, look_y, 3, 3.2, iris)
        canvas.ellipse(look_x, look_y, 1.7, 1.9, (22, 18, 26))
        canvas.ellipse(look_x - 1, look_y - 1.2, 1, 1, WHITE)
        canvas.stroke(((x - 4.6, 0), (x - 2.4, -3), (x + 2.4, -3), (x + 4.6, 0)), 1.6, INK, taper=True)


def _mouth(canvas: Canvas, kind: str) -> None:
    if kind == "calm":
        canvas.stroke(((-5, 16.2), (0, 17), (5, 16.2)), 1.8, LIPS)
    elif kind == "smile":
        canvas.stroke(
            ((-6.6, 14.8), (-3.4, 17.4), (0, 18.1), (3.4, 17.4), (6.6, 14.8)), 1.9, mix(LIPS, MOUTH, 0.5)
        )
    else:
        low = 18.4 if kind == "grin" else 20.6
        outline = mirrored(((0, 14.8), (6.8, 14.2), (5.4, low - 2), (0, low)))
        canvas.blob(outline, MOUTH, darker(MOUTH, 0.3))
        if kind == "laugh":
            canvas.ellipse(0, 19, 2.9, 1.4, TONGUE)
        canvas.blob(mirrored(((0, 15.1), (5.6, 14.8), (4.6, 16.4), (0, 16.9))), WHITE)
