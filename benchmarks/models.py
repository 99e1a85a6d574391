"""What benchmarks run on: the mini model on a CPU, a full-size random Stable Diffusion on a GPU."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from safetensors.torch import save_file

from benchmarks.full_size import write_full_size
from inference.bases import MINI
from inference.model import drawing_dtype, pick_device


def add_model_option(parser: argparse.ArgumentParser) -> None:
    """`--model`, which `model_of` reads."""
    parser.add_argument(
        "--model", help="base or folder; default: full size with random weights on a GPU, else mini"
    )


def model_of(arguments: argparse.Namespace) -> Path:
    """The folder of the model to measure; the full-size one is written once."""
    if arguments.model == "mini" or (arguments.model is None and pick_device().type == "cpu"):
        return MINI
    if arguments.model is not None:
        return Path(arguments.model).resolve()
    folder = Path(arguments.out) / "full-size"
    if not folder.exists():
        write_full_size(folder)
    return folder


def stock(folder: Path) -> StableDiffusionPipeline:
    """The plain diffusers way: the pipeline loaded afresh, with our scheduler and precision."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=drawing_dtype(pick_device()))
    pipeline.scheduler = DDIMScheduler.from_config(
        pipeline.scheduler.config, clip_sample=False, set_alpha_to_one=False
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(pick_device())


def copies(folder: Path, count: int, into: Path) -> list[str]:
    """As many models as people: hard links that cost no disk, each another model to whoever loads it."""
    made = [into / f"person-{number}" for number in range(count)]
    for target in made:
        try:
            shutil.copytree(folder, target, copy_function=os.link)
        except shutil.Error:  # another file system
            shutil.rmtree(target)
            shutil.copytree(folder, target)
    return [str(target) for target in made]


def write_lora(folder: Path, base: Path, unet: torch.nn.Module, rank: int = 16) -> str:
    """A random LoRA on every attention matrix of the base's UNet."""
    weights = {}
    for name, module in unet.named_modules():
        if name.endswith(("to_q", "to_k", "to_v", "to_out.0")):
            out, inner = module.weight.shape
            weights[f"unet.{name}.lora_A.weight"] = torch.randn(rank, inner) / inner
            weights[f"unet.{name}.lora_B.weight"] = torch.randn(out, rank) / out
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "lora.safetensors")
    (folder / "lora.json").write_text(json.dumps({"base": str(base), "rank": rank, "alpha": rank}))
    return str(folder)
