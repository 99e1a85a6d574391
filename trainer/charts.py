"""Pictures that tell how training goes: a strip of previews and a plot of the loss, drawn with Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from data.disk import replacing

_PAPER = "#1e1f22"
_INK = "#dbdee1"
_GRID = "#3f4147"
_LINE = "#5865f2"
_FAINT = "#4a5090"
_TILE = 192
_LABEL = 26
_GAP = 6


def draw_strip(pictures: Sequence[tuple[str, Path]], file: Path) -> None:
    """Pictures of one size in a row, each under its label, as a PNG. Raises OSError."""
    tiles = []
    for _, path in pictures:
        with Image.open(path) as picture:
            height = picture.height * _TILE // picture.width
            tiles.append(picture.convert("RGB").resize((_TILE, height), Image.Resampling.LANCZOS))
    width = len(tiles) * (_TILE + _GAP) + _GAP
    strip = Image.new("RGB", (width, _LABEL + tiles[0].height + _GAP), _PAPER)
    pen = ImageDraw.Draw(strip)
    font = ImageFont.load_default(15)
    for number, ((label, _), tile) in enumerate(zip(pictures, tiles, strict=True)):
        left = _GAP + number * (_TILE + _GAP)
        pen.text((left + _TILE // 2, _LABEL // 2), label, _INK, font, anchor="mm")
        strip.paste(tile, (left, _LABEL))
    _save(strip, file)


def draw_loss(losses: Sequence[tuple[int, float]], steps: int, file: Path) -> None:
    """Loss over steps: each report faint, their running mean strong, as a PNG. Raises OSError.

    A single step's loss says little, for its timestep is random: the mean shows where it goes.
    """
    plot = Image.new("RGB", (720, 300), _PAPER)
    pen = ImageDraw.Draw(plot)
    font = ImageFont.load_default(13)
    left, top, right, bottom = 64, 16, 700, 264
    highest = max(loss for _, loss in losses) * 1.05 or 1.0

    def place(step: float, loss: float) -> tuple[float, float]:
        return left + (right - left) * step / steps, bottom - (bottom - top) * loss / highest

    for part in range(5):
        height = highest * part / 4
        _, y = place(0, height)
        pen.line((left, y, right, y), _GRID)
        pen.text((left - 8, y), f"{height:.3f}", _INK, font, anchor="rm")
        x, _ = place(steps * part / 4, 0)
        pen.text((x, bottom + 16), f"{steps * part // 4}", _INK, font, anchor="mm")
    _curve(pen, [place(step, loss) for step, loss in losses], _FAINT, 1)
    _curve(pen, [place(step, loss) for step, loss in _running_mean(losses)], _LINE, 3)
    _save(plot, file)


def _running_mean(losses: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """The mean of a tenth of the reports around each step."""
    reach = max(1, len(losses) // 20)
    means = []
    for number, (step, _) in enumerate(losses):
        near = losses[max(0, number - reach) : number + reach + 1]
        means.append((step, sum(loss for _, loss in near) / len(near)))
    return means


def _curve(pen: ImageDraw.ImageDraw, points: list[tuple[float, float]], colour: str, width: int) -> None:
    if len(points) == 1:
        x, y = points[0]
        pen.ellipse((x - width, y - width, x + width, y + width), colour)
    else:
        pen.line(points, colour, width, joint="curve")


def _save(picture: Image.Image, file: Path) -> None:
    with replacing(file) as stream:
        picture.save(stream, "PNG")
