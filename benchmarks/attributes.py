"""How much of what a prompt asks comes out of the mini model, as the reader measures it."""

from __future__ import annotations

from collections import Counter

import torch

from data.toys import evaluation_prompts
from data.toys.reader import read
from inference.model import load, pick_device
from inference.sampler import Brush, draw

BATCH = 10


def measure(model_name: str, prompts: int, steps: int, guidance: float) -> dict[str, float]:
    """Share of the asked attributes that are read in the pictures, each alone and `all` together."""
    model = load(model_name, pick_device(), torch.float32)
    brush = Brush(steps, guidance, model.resolution, model.resolution)
    cases = evaluation_prompts(prompts, seed=2026)
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
    return {f"asked {name} that came out": found[name] / count for name, count in asked.items()}
