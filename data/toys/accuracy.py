"""How well the reader reads pictures whose traits are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageFilter

from data.toys.dataset import portrait
from data.toys.reader import read_many


@dataclass(slots=True)
class Tally:
    """Readings that were asked for and readings that were right, by trait and style."""

    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    right: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, shown: Mapping[str, str], reading: Mapping[str, str]) -> None:
        """Counts one picture that shows `shown` and was read as `reading`."""
        for name, value in shown.items():
            self.asked[name, shown["style"]] += 1
            self.right[name, shown["style"]] += reading.get(name) == value

    def share(self, name: str = "", style: str = "") -> float:
        """The share of right readings, of one trait or style or of all."""
        keys = [key for key in self.asked if name in ("", key[0]) and style in ("", key[1])]
        return sum(self.right[key] for key in keys) / max(1, sum(self.asked[key] for key in keys))

    def names(self) -> Iterable[str]:
        """The traits that were counted, in the order of their first picture."""
        return dict.fromkeys(name for name, _ in self.asked)


def disturb(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The picture moved, blurred and noisy, as if a model had drawn it."""
    reach = picture.width * 6 // 128
    x, y = (int(move) for move in rng.integers(-reach, reach + 1, size=2))
    pixels = np.pad(np.asarray(picture), ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    moved = Image.fromarray(pixels[reach + y :, reach + x :][: picture.height, : picture.width])
    blurred = moved.filter(ImageFilter.GaussianBlur(rng.uniform(0, picture.width / 100)))
    noisy = np.asarray(blurred) + rng.normal(0, rng.uniform(0, 10), size=(picture.height, picture.width, 3))
    return Image.fromarray(np.clip(noisy + 0.5, 0, 255).astype(np.uint8))


def measure(count: int, seed: int, disturbed: bool = True) -> Tally:
    """Draws `count` portraits, reads them, and counts."""
    tally = Tally()
    series = [portrait(number, seed) for number in range(count)]
    pictures = [picture for picture, _, _ in series]
    if disturbed:
        pictures = [
            disturb(picture, np.random.default_rng([seed, n, 1])) for n, picture in enumerate(pictures)
        ]
    for (_, traits, _), reading in zip(series, read_many(pictures), strict=True):
        tally.add(traits.visible(), reading)
    return tally


def table(tally: Tally, styles: Iterable[str]) -> str:
    """The shares as text, a line for each trait."""
    styles = list(styles)
    lines = ["".join(f"{head:>15}" for head in ("", *styles, "all"))]
    for name in (*tally.names(), ""):
        shares = [
            tally.share(name, style) if tally.asked[name, style] or not name else None for style in styles
        ]
        cells = [
            f"{share:15.1%}" if share is not None else " " * 15 for share in (*shares, tally.share(name))
        ]
        lines.append(f"{name or 'all':>15}" + "".join(cells))
    return "\n".join(lines)
