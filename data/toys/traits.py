"""The vocabulary of the toy portraits: what one can show, and how a portrait is sampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

SUBJECTS = ("person", "cat", "dog")
STYLES = ("photo", "pencil sketch", "oil painting", "pixel art")
BACKGROUNDS = ("pink", "orange", "yellow", "green", "blue", "purple", "grey", "white")

PERSON_VALUES: Mapping[str, tuple[str, ...]] = {
    "hair_colour": ("black", "brown", "blond", "red", "grey", "blue"),
    "hair_style": ("short", "long", "curly", "pigtails", "bald"),
    "skin": ("pale", "tan", "brown", "dark"),
    "glasses": ("none", "round", "square", "sunglasses"),
    "beard": ("none", "moustache", "goatee", "full beard"),
    "hat": ("none", "cap", "beanie", "top hat", "crown"),
    "shirt": ("red", "yellow", "green", "blue", "purple", "white", "black"),
}
PET_VALUES: Mapping[str, tuple[str, ...]] = {
    "fur": ("black", "white", "grey", "orange", "brown"),
    "collar": ("none", "red", "yellow", "green", "blue"),
}
SCENE_VALUES: Mapping[str, tuple[str, ...]] = {
    "subject": SUBJECTS,
    "style": STYLES,
    "background": BACKGROUNDS,
}
VALUES: Mapping[str, tuple[str, ...]] = {**SCENE_VALUES, **PERSON_VALUES, **PET_VALUES}

# What makes a person who they are, whatever they wear and wherever they stand.
IDENTITY = ("hair_colour", "hair_style", "skin", "glasses", "beard")

# A pencil has no colours, so a sketch shows none of these.
COLOURED = frozenset({"hair_colour", "skin", "shirt", "background", "fur", "collar"})

_SUBJECT_WEIGHTS = (0.8, 0.1, 0.1)
_STYLE_WEIGHTS = (0.55, 0.15, 0.15, 0.15)
_BARE_HEADED = 0.45


@dataclass(frozen=True, slots=True)
class Pose:
    """How the subject happens to sit and be lit. No caption speaks of it."""

    offset_x: float = 0.0
    offset_y: float = 0.0
    scale: float = 1.0
    tilt: float = 0.0
    turn: float = 0.0
    gaze_x: float = 0.0
    gaze_y: float = 0.0
    brow_lift: float = 0.0
    light: float = 0.5
    mouth: str = "smile"
    backdrop: str = "disc"


MOUTHS = ("smile", "grin", "calm", "laugh")
BACKDROPS = ("plain", "disc", "dots", "stripes")


@dataclass(frozen=True, slots=True)
class Traits:
    """Everything one portrait shows. A trait that doesn't apply to the subject is an empty string.

    Nobody names the colour of the iris (a number) or the width of the face, but they stay with a person.
    """

    subject: str = "person"
    style: str = "photo"
    background: str = "blue"
    hair_colour: str = ""
    hair_style: str = ""
    skin: str = ""
    glasses: str = ""
    beard: str = ""
    hat: str = ""
    shirt: str = ""
    fur: str = ""
    collar: str = ""
    iris: int = 0
    face_width: float = 1.0
    pose: Pose = field(default_factory=Pose)

    def value(self, name: str) -> str:
        """The value of the trait called `name`."""
        return str(getattr(self, name))

    def visible(self) -> dict[str, str]:
        """The traits that a viewer of the picture can name."""
        shown = {name: self.value(name) for name in VALUES if self.value(name)}
        if self.hair_style == "bald":
            shown.pop("hair_colour")
        if self.style == "pencil sketch":
            shown = {name: value for name, value in shown.items() if name not in COLOURED}
        return shown


def pick(rng: np.random.Generator, values: tuple[str, ...]) -> str:
    """One of `values`, each as likely as the others."""
    return values[int(rng.integers(len(values)))]


def _weighted(rng: np.random.Generator, values: tuple[str, ...], weights: tuple[float, ...]) -> str:
    return values[int(np.searchsorted(np.cumsum(weights), rng.random() * sum(weights), side="right"))]


def sample_pose(rng: np.random.Generator) -> Pose:
    """A random pose."""
    spread = rng.uniform(-1, 1, size=9)
    return Pose(
        offset_x=4.0 * spread[0],
        offset_y=1.0 + 2.5 * spread[1],
        scale=1.0 + 0.07 * spread[2],
        tilt=8.0 * spread[3],
        turn=2.2 * spread[4],
        gaze_x=1.1 * spread[5],
        gaze_y=0.7 * spread[6],
        brow_lift=1.0 * spread[7],
        light=float(spread[8]),
        mouth=pick(rng, MOUTHS),
        backdrop=pick(rng, BACKDROPS),
    )


def sample(rng: np.random.Generator, fixed: Mapping[str, str] | None = None) -> Traits:
    """A random portrait that keeps the `fixed` traits, which must suit the subject."""
    fixed = fixed or {}
    subject = fixed.get("subject") or _weighted(rng, SUBJECTS, _SUBJECT_WEIGHTS)
    own = PERSON_VALUES if subject == "person" else PET_VALUES
    chosen = {name: pick(rng, values) for name, values in own.items()}
    if subject == "person" and rng.random() < _BARE_HEADED:
        chosen["hat"] = "none"
    traits = Traits(
        subject=subject,
        style=_weighted(rng, STYLES, _STYLE_WEIGHTS),
        background=pick(rng, BACKGROUNDS),
        iris=int(rng.integers(3)),
        face_width=rng.uniform(0.94, 1.06),
        pose=sample_pose(rng),
        **chosen,
    )
    for name, value in fixed.items():
        if value not in VALUES[name] or not traits.value(name):
            raise ValueError(f"a {subject} has no {name} {value!r}")
    return replace(traits, **dict(fixed))  # type: ignore[arg-type]
