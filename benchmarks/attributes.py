"""How much of what a prompt asks comes out of the mini model, as the reader measures it."""

from __future__ import annotations

import argparse
from collections import Counter

import torch

from benchmarks.report import Row
from data.toys import evaluation_prompts
from data.toys.reader import read
from inference.model import load, pick_device
from inference.sampler import Brush, draw

BATCH = 10


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--steps", type=int, default=50, help="denoising steps a picture")


def measure(arguments: argparse.Namespace) -> list[Row]:
    """Share of the asked attributes that are read in the pictures, each alone and `all` together."""
    model = load("mini", pick_device(), torch.float32)
    brush = Brush(arguments.steps, 7.5, model.resolution, model.resolution)
    cases = evaluation_prompts(arguments.prompts, seed=2026)
    asked: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for start in range(0, len(cases), BATCH):
        batch = cases[start : start + BATCH]
        texts = [prompt for prompt, _ in batch]
        seeds = range(start, start + len(batch))
        pictures = draw(model, texts, [""] * len(batch), list(seeds), brush, lambda _: None)
        for (_, wanted), picture in zip(batch, pictures, strict=True):
            seen = read(picture)
            for attribute, value in wanted.items():
                asked.update([attribute, "all"])
                found.update([attribute, "all"] if seen.get(attribute) == value else [])
    return [
        Row(f"asked {name} that came out", 100 * found[name] / count, "%") for name, count in asked.items()
    ]
