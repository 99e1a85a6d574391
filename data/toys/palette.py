"""The colours of the toy world, far enough apart to be told from each other in a blurred picture."""

from __future__ import annotations

Colour = tuple[int, int, int]

HAIR: dict[str, Colour] = {
    "black": (38, 34, 44),
    "brown": (132, 78, 36),
    "blond": (246, 206, 96),
    "red": (222, 84, 36),
    "grey": (172, 176, 186),
    "blue": (52, 112, 232),
}
SKIN: dict[str, Colour] = {
    "pale": (255, 224, 204),
    "tan": (232, 176, 126),
    "brown": (180, 118, 80),
    "dark": (102, 66, 56),
}
SHIRT: dict[str, Colour] = {
    "red": (218, 48, 58),
    "yellow": (250, 200, 44),
    "green": (44, 152, 84),
    "blue": (42, 92, 200),
    "purple": (132, 70, 180),
    "white": (244, 244, 240),
    "black": (46, 46, 56),
}
BACKGROUND: dict[str, Colour] = {
    "pink": (250, 160, 192),
    "orange": (252, 158, 84),
    "yellow": (254, 222, 104),
    "green": (132, 206, 132),
    "blue": (116, 184, 244),
    "purple": (172, 140, 228),
    "grey": (164, 168, 178),
    "white": (248, 247, 243),
}
FUR: dict[str, Colour] = {
    "black": (56, 54, 66),
    "white": (246, 240, 230),
    "grey": (150, 156, 170),
    "orange": (242, 146, 56),
    "brown": (138, 86, 52),
}
COLLAR: dict[str, Colour] = {
    "red": SHIRT["red"],
    "yellow": SHIRT["yellow"],
    "green": SHIRT["green"],
    "blue": SHIRT["blue"],
}

INK: Colour = (34, 28, 44)
WHITE: Colour = (255, 253, 250)
BLUSH: Colour = (240, 90, 90)
MOUTH: Colour = (140, 36, 52)
TONGUE: Colour = (236, 112, 118)
LIPS: Colour = (200, 84, 84)
GOLD: Colour = (248, 196, 52)

# Shadows lean to violet and lights to cream: pure black and white would make flat colours look dirty.
_SHADOW: Colour = (44, 22, 62)
_LIGHT: Colour = (255, 250, 236)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`first`, with a `share` of `second` stirred in."""
    r, g, b = (round(a + (z - a) * share) for a, z in zip(first, second, strict=True))
    return r, g, b


def darker(colour: Colour, share: float = 0.2) -> Colour:
    """`colour` in the shade."""
    return mix(colour, _SHADOW, share)


def lighter(colour: Colour, share: float = 0.25) -> Colour:
    """`colour` in the light."""
    return mix(colour, _LIGHT, share)


def is_dark(colour: Colour) -> bool:
    """Whether a dark line on `colour` would be lost."""
    return sum(colour) < 270
