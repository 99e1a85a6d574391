"""The toys' command line: `python -m data.toys sheet | draw | selfies | fit-reader | check-reader`."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

from data.disk import is_free
from data.toys.accuracy import measure, table
from data.toys.dataset import dataset, photo_set, portrait
from data.toys.portrait import SIZE
from data.toys.traits import STYLES

IDENTITY = "identity.json"
"""Beside selfies; marks a folder whose selfies may be drawn anew."""

# Somebody whom a random portrait is unlikely to resemble.
SELFIE_IDENTITY = {
    "hair_colour": "blue",
    "hair_style": "curly",
    "skin": "tan",
    "glasses": "round",
    "beard": "moustache",
}
_SELFIES = 12


def main() -> None:
    """Runs the command that the arguments name."""
    parser = _parser()
    arguments = parser.parse_args()
    out = getattr(arguments, "out", None)
    if out is not None and (out.is_file() or not is_free(out, IDENTITY)):
        parser.error(f"{out} is there already: choose another --out")
    match arguments.command:
        case "sheet":
            _sheet(arguments.out, arguments.seed, arguments.size)
        case "draw":
            _draw(arguments.out, arguments.count, arguments.seed, arguments.size, arguments.workers)
        case "selfies":
            _selfies(arguments.out, arguments.seed)
        case "fit-reader":
            from data.toys.fitting import fit  # needs torch, unlike the rest

            fit(arguments.count, arguments.epochs, arguments.seed, arguments.workers)
            print(table(measure(2000, arguments.seed + 1), STYLES))
        case "check-reader":
            print(table(measure(arguments.count, arguments.seed, arguments.disturbed), STYLES))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m data.toys")
    commands = parser.add_subparsers(dest="command", required=True)
    sheet = commands.add_parser("sheet", help="draw a contact sheet")
    draw = commands.add_parser("draw", help="draw pictures with captions into an .npz file or a folder")
    selfies = commands.add_parser("selfies", help="draw the bundled photos of one toy person")
    fit = commands.add_parser("fit-reader", help="fit the reader again")
    check = commands.add_parser("check-reader", help="measure the reader on fresh drawings")
    for command, seed in ((sheet, 1), (draw, 0), (selfies, 12), (fit, 1), (check, 2)):
        command.add_argument("--seed", type=int, default=seed)
    for command in (sheet, draw, selfies):
        command.add_argument("--out", type=Path, required=True)
    for command in (sheet, draw):
        command.add_argument("--size", type=int, default=SIZE)
    for command, count in ((draw, 1000), (fit, 24000), (check, 2000)):
        command.add_argument("--count", type=int, default=count)
    for command in (draw, fit):
        command.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    fit.add_argument("--epochs", type=int, default=15)
    check.add_argument("--disturbed", action=argparse.BooleanOptionalAction, default=True)
    return parser


def _sheet(out: Path, seed: int, size: int, columns: int = 10, rows: int = 8) -> None:
    sheet = Image.new("RGB", (columns * size, rows * size))
    for number in range(columns * rows):
        sheet.paste(portrait(number, seed, size)[0], (number % columns * size, number // columns * size))
    sheet.save(out)


def _draw(out: Path, count: int, seed: int, size: int, workers: int) -> None:
    pictures, captions = dataset(count, seed, size, workers)
    if out.suffix == ".npz":
        np.savez(out, images=pictures, captions=np.array(captions))
        return
    out.mkdir(parents=True, exist_ok=True)
    for number, (picture, text) in enumerate(zip(pictures, captions, strict=True)):
        Image.fromarray(picture).save(out / f"{number:06}.png")
        (out / f"{number:06}.txt").write_text(text + "\n", encoding="utf-8")


def _selfies(out: Path, seed: int) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for number, photo in enumerate(photo_set(SELFIE_IDENTITY, _SELFIES, seed, size=512), start=1):
        photo.save(out / f"selfie-{number:02}.jpg", quality=92, optimize=True)
    (out / IDENTITY).write_text(json.dumps(SELFIE_IDENTITY, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
