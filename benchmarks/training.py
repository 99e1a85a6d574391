"""The training step against the plain diffusers way, in one run: same batch, same precision.

The plain loop does what diffusers' `train_dreambooth.py` does with one photo, one class image and prior
preservation: encode both pictures, text encoder and UNet under autocast, clip, AdamW. It gets its pictures as
tensors, so that reading files doesn't count against it.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

import torch
from diffusers import DDPMScheduler
from torch.nn import functional

from benchmarks.models import add_model_option, model_of
from benchmarks.report import Row
from inference.model import Model, load, pick_device
from trainer.dreambooth import DreamBooth, LatentSet
from trainer.spec import Recipe

_GPU = torch.cuda.is_available()
_RUNS: dict[str, dict[str, object]] = {
    "full, roomy": {"memory": "roomy"},
    "full, lean": {"memory": "lean"},
    "LoRA r16": {"memory": "lora", "method": "lora"},
    "LoRA r16, lean": {"memory": "lora-lean", "method": "lora"},
    "full, roomy, compiled": {"memory": "roomy", "compiled": True},
    "LoRA r16, compiled": {"memory": "lora", "method": "lora", "compiled": True},
}
_ON_CPU = {"full": {"method": "full"}, "LoRA r16": {"method": "lora"}}
_PROMPTS = ["photo of abraza person", "photo of a person"]


def options(parser: argparse.ArgumentParser) -> None:
    add_model_option(parser)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--only", action="append", help="one of the runs, again for more")


def measure(arguments: argparse.Namespace) -> list[Row]:
    folder, device = model_of(arguments), pick_device()
    plain = _measure(lambda: _plain(_unfused(folder, device)), arguments.steps, "plain diffusers loop")
    rows = [*plain]
    for title, values in (_RUNS if _GPU else _ON_CPU).items():
        if arguments.only and title not in arguments.only:
            continue
        recipe = Recipe.model_validate(values)
        run = _measure(partial(_ours, folder, device, recipe), arguments.steps, title)
        rows += [*run, Row(f"{title}, times faster", plain[0].value / run[0].value, "x")]
    return rows


def _measure(make: Callable[[], Callable[[], None]], count: int, title: str) -> list[Row]:
    gc.collect()
    if _GPU:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    step = make()
    began = time.monotonic()
    _seconds(step, 5)
    warm_up = time.monotonic() - began
    rows = [Row(f"{title}, a step", _seconds(step, count)), Row(f"{title}, first 5 steps", warm_up)]
    if _GPU:
        rows.append(Row(f"{title}, peak memory", torch.cuda.max_memory_allocated() / 2**30, "GiB"))
    for row in rows:
        print(f"{row.what:<50} {row.value:8.4f} {row.unit}", flush=True)
    return rows


def _seconds(step: Callable[[], None], count: int) -> float:
    _wait()
    began = time.monotonic()
    for _ in range(count):
        step()
    _wait()
    return (time.monotonic() - began) / count


def _wait() -> None:
    if _GPU:
        torch.cuda.synchronize()


def _ours(folder: Path, device: torch.device, recipe: Recipe) -> Callable[[], None]:
    model = load(str(folder), device, torch.float32)
    return DreamBooth(model, recipe, _latents(model, 6), _latents(model, 50)).step


def _latents(model: Model, count: int) -> LatentSet:
    side = model.resolution // model.scale
    mean = torch.randn(count, 4, side, side, device=model.device)
    return LatentSet(mean, torch.full_like(mean, 0.1), model.token_ids(_PROMPTS[:1] * count))


def _unfused(folder: Path, device: torch.device) -> Model:
    """The model as diffusers loads it: its own modules, in the usual memory format."""
    with patch("inference.model.fuse", lambda unet: None):
        model = load(str(folder), device, torch.float32)
    for part in (model.unet, model.vae):
        part.to(memory_format=torch.contiguous_format)
    return model


def _plain(model: Model) -> Callable[[], None]:
    half = torch.bfloat16 if _GPU else torch.float32
    model.vae.to(half)
    model.unet.train()
    scheduler = DDPMScheduler.from_config(model.scheduler.config)
    trained = [*model.unet.parameters(), *model.text_encoder.parameters()]
    optimizer = torch.optim.AdamW(trained, lr=1e-6, weight_decay=0.01)
    pixels = torch.rand(2, 3, model.resolution, model.resolution, device=model.device).mul_(2).sub_(1)
    ids = model.token_ids(_PROMPTS)

    def step() -> None:
        with torch.no_grad():
            latents = model.vae.encode(pixels.to(half)).latent_dist.sample().float()
        latents = latents * model.vae.config.scaling_factor
        noise = torch.randn_like(latents)
        timesteps = torch.randint(0, scheduler.config.num_train_timesteps, (2,), device=model.device)
        noisy = scheduler.add_noise(latents, noise, timesteps)
        with torch.autocast(model.device.type, torch.bfloat16, enabled=_GPU):
            context = model.text_encoder(ids).last_hidden_state
            predicted = model.unet(noisy, timesteps, context).sample
        (photo, other), (goal, other_goal) = predicted.float().chunk(2), noise.chunk(2)
        loss = functional.mse_loss(photo, goal) + functional.mse_loss(other, other_goal)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()  # the script shows it at every step

    return step
