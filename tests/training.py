"""Small jobs on the bundled mini model, and the real trainer process."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from data.pipes import HEARTBEAT
from trainer.events import TrainEvent, parse_event
from trainer.job import write_job
from trainer.spec import Concept, Recipe, TrainSpec

ROOT = Path(__file__).parents[1]
SELFIES = ROOT / "data" / "selfies"
QUICK = Recipe(
    steps=8, learning_rate=1e-4, class_images=2, class_image_steps=2, samples=2, sample_steps=2,
    preview_steps=2, checkpoint_seconds=3600,
)  # fmt: skip


def make_job(folder: Path, recipe: Recipe, base: str = "mini") -> Path:
    """A job on three selfies."""
    concept = Concept(name="abraza", photos="photos/abraza")
    images = []
    for file in sorted(SELFIES.glob("*.jpg"))[:3]:
        with Image.open(file) as image:
            images.append(image.resize((96, 96)))
    write_job(folder, TrainSpec(base=base, concepts=(concept,), recipe=recipe), {concept.photos: images})
    return folder


def three_selfies(folder: Path) -> Path:
    """Three photos of one face in a new folder."""
    folder.mkdir(parents=True)
    for file in sorted(SELFIES.glob("*.jpg"))[:3]:
        shutil.copy(file, folder)
    return folder


def start(words: Sequence[str], program: str = "trainer", **options: object) -> subprocess.Popen[bytes]:
    """Start `python -m trainer` with its events on a pipe."""
    return subprocess.Popen(
        [sys.executable, "-m", program, *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def run(words: Sequence[str]) -> tuple[int, list[TrainEvent], str]:
    """Exit status, events and log of a whole run."""
    process = start(words, stdin=subprocess.DEVNULL)
    out, log = process.communicate(timeout=240)
    lines = [line for line in out.splitlines(keepends=True) if line != HEARTBEAT]
    return process.returncode, [parse_event(line) for line in lines], log.decode()
