"""A training of two subjects, in this process: one LoRA that draws both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pydantic import BaseModel

from inference.bases import MINI
from inference.model import load
from inference.sampler import Brush, draw
from tests.training import three_selfies
from trainer.events import LossPlot, Plan, Preview, Sample, Strip
from trainer.run import run_job
from trainer.train_command import create_job, train_parser


def test_two_subjects_become_one_lora_that_draws_both(tmp_path: Path) -> None:
    out, selfies = tmp_path / "out", three_selfies(tmp_path / "selfies")
    words = ["--concept", f"abraza:person:{selfies}", "--concept", f"mirelu:cat:{selfies}"]
    words += ["--steps", "8", "--class-images", "2", "--class-image-steps", "2", "--sample-steps", "2"]
    words += ["--samples", "3", "--preview-steps", "2", "--method", "lora", "--lora-rank", "2"]
    words += ["--vae", str(MINI / "vae"), "--out", str(out)]
    events: list[BaseModel] = []
    assert run_job(create_job(train_parser().parse_args(words)), events.append, lambda: False)
    samples = [event for event in events if isinstance(event, Sample)]
    assert [sample.prompt for sample in samples] == [
        "photo of abraza person", "photo of mirelu cat", "photo of abraza person",
    ]  # fmt: skip
    assert len(list((out / "class_images").glob("*/"))) == 2
    assert sorted(path.name for path in (out / "model").iterdir()) == ["lora.json", "lora.safetensors"]
    assert any(isinstance(event, Plan) and event.method == "lora" for event in events)
    assert [event.step for event in events if isinstance(event, Preview)] == [0, 2, 4, 6, 8]
    assert any(isinstance(event, LossPlot) for event in events)
    with Image.open(next(event.path for event in events if isinstance(event, Strip))) as strip:
        assert strip.width > 4 * strip.height / 2
    # What the trainer drew with its additions, the engine draws with them merged into the base.
    model = load(str(out / "model"), torch.device("cpu"), torch.float32)
    (again,) = draw(
        model, ["photo of mirelu cat"], [""], [samples[1].seed], Brush(2, 7.5, 96, 96), lambda _: None
    )
    with Image.open(samples[1].path) as drawn:
        difference = np.abs(np.asarray(drawn, dtype=float) - np.asarray(again, dtype=float))
    assert difference.mean() < 0.5
