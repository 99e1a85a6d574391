"""What is published loads with diffusers by nothing but the repository's name, as the Hub's own page says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from diffusers import StableDiffusionPipeline

from tests.bases import make_half
from tests.hub import WRITE, HubServer
from tests.trainer.publishing.steps import Run
from tests.trainer.test_export_lora import write_lora
from trainer.export import open_model, write_folder
from trainer.publish_files import LORA

_SCRIPT = """
import sys, numpy, torch
from diffusers import DiffusionPipeline

def picture(pipeline):
    seed = torch.Generator().manual_seed(5)
    return pipeline("a person", num_inference_steps=2, output_type="np", generator=seed).images[0]

base, repo, out = sys.argv[1:]
merged = picture(DiffusionPipeline.from_pretrained(repo))
pipeline = DiffusionPipeline.from_pretrained(base)
before = picture(pipeline)
pipeline.load_lora_weights(repo)
numpy.savez(out, merged=merged, before=before, after=picture(pipeline))
"""
"""The Hub's own snippets, in a process of its own: diffusers remembers the Hub that it was imported for."""

_PYTHON = os.environ.get("DIFFUSERS_PYTHON", sys.executable)
"""An interpreter with another version of diffusers may be given."""


def test_a_lora_repository_is_a_whole_model_and_a_lora_for_its_base(
    hub: HubServer, run: Run, tmp_path: Path
) -> None:
    shutil.rmtree(run.model)
    write_lora(run.model)
    run()
    folder, weights = open_model("mini")
    write_folder(weights, folder, tmp_path / "base", lambda _: None)
    hub.calls.clear()
    words = [str(tmp_path / "base"), "ann/abraza", str(tmp_path / "pictures.npz")]
    there = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path), "HF_TOKEN": WRITE}
    done = subprocess.run(
        [_PYTHON, "-c", _SCRIPT, *words],
        env={**os.environ, **there}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    fetched = {call.partition("/resolve/main/")[2] for call in hub.calls if call.startswith("GET")}
    assert LORA in fetched and "more than one weights file" not in done.stderr
    pictures = np.load(tmp_path / "pictures.npz")
    assert np.abs(pictures["after"] - pictures["merged"]).max() < 0.01
    assert np.abs(pictures["before"] - pictures["merged"]).max() > 0.1


def test_a_model_kept_in_half_precision_loads_without_being_told_so(
    hub: HubServer, run: Run, tmp_path: Path
) -> None:
    make_half(run.model)
    run()
    for name, data in hub.repos["ann/abraza"].files.items():
        (tmp_path / "got" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "got" / name).write_bytes(data)
    StableDiffusionPipeline.from_pretrained(tmp_path / "got")
