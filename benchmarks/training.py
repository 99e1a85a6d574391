"""`python -m benchmarks.training BASE`: the training step against the plain diffusers way, in one run (GPU).

The plain loop does what diffusers' `train_dreambooth.py` does with one photo and one class image a step, bf16
and prior preservation: encode both pictures, text encoder and UNet under autocast, clip, AdamW. It gets its
pictures as tensors, so that reading files doesn't count against it.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler

from inference.model import Model, load
from trainer.dreambooth import DreamBooth, LatentSet
from trainer.spec import Recipe

DEVICE = torch.device("cuda")
RUNS: dict[str, dict[str, object]] = {
    "full, roomy": {"memory": "roomy"},
    "full, lean": {"memory": "lean"},
    "LoRA r16": {"memory": "lora", "method": "lora"},
    "LoRA r16, lean": {"memory": "lora-lean", "method": "lora"},
    "full, roomy, compiled": {"memory": "roomy", "compiled": True},
    "LoRA r16, compiled": {"memory": "lora", "method": "lora", "compiled": True},
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("base", help="folder of a full-size model, see benchmarks.full_size")
    parser.add_argument("--only", action="append", help=f"of {', '.join(['plain', *RUNS])}")
    parser.add_argument("--out", type=Path, default=Path("out/bench/training.json"))
    arguments = parser.parse_args()
    measures: dict[str, Callable[[], dict[str, float]]] = {"plain": lambda: _plain(arguments.base)}
    for name, values in RUNS.items():
        measures[name] = lambda values=values: _ours(arguments.base, Recipe.model_validate(values))  # type: ignore[misc]
    rows: dict[str, dict[str, float]] = {}
    for name in arguments.only or measures:
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        rows[name] = measures[name]() | {"peak_gib": torch.cuda.max_memory_allocated() / 2**30}
        told = ", ".join(f"{key} {value:.4g}" for key, value in rows[name].items())
        print(f"{name:<24} {told}", flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    report = {"machine": torch.cuda.get_device_name(), "torch": torch.__version__, "rows": rows}
    arguments.out.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def _ours(base: str, recipe: Recipe) -> dict[str, float]:
    model = load(base, DEVICE, torch.float32)
    instance, prior = _latents(model, 6), _latents(model, 50)
    began = time.monotonic()
    dreambooth = DreamBooth(model, recipe, instance, prior)
    warm_up = _seconds(dreambooth.step, 4) * 4 + time.monotonic() - began
    seconds = _seconds(dreambooth.step, 30)
    return {"s_per_step": seconds, "warm_up_s": warm_up, "estimate_gib": dreambooth.plan.needed_gib}


def _latents(model: Model, count: int) -> LatentSet:
    side = model.resolution // model.scale
    mean = torch.randn(count, 4, side, side, device=DEVICE)
    ids = model.token_ids(["photo of abraza person"] * count)
    return LatentSet(mean, torch.full_like(mean, 0.1), ids)


def _plain(base: str) -> dict[str, float]:
    model = load(base, DEVICE, torch.float32)
    for part in (model.unet, model.text_encoder, model.vae):
        part.to(memory_format=torch.contiguous_format)
    model.vae.to(torch.bfloat16)
    model.unet.train()
    scheduler = DDPMScheduler.from_config(model.scheduler.config)
    trained = [*model.unet.parameters(), *model.text_encoder.parameters()]
    optimizer = torch.optim.AdamW(trained, lr=1e-6, weight_decay=0.01)
    pixels = torch.rand(2, 3, model.resolution, model.resolution, device=DEVICE).mul_(2).sub_(1)
    ids = model.token_ids(["photo of abraza person", "photo of a person"])

    def step() -> None:
        with torch.no_grad():
            latents = model.vae.encode(pixels.to(torch.bfloat16)).latent_dist.sample()
        latents = latents.float() * model.vae.config.scaling_factor
        noise = torch.randn_like(latents)
        timesteps = torch.randint(0, scheduler.config.num_train_timesteps, (2,), device=DEVICE)
        noisy = scheduler.add_noise(latents, noise, timesteps)
        with torch.autocast("cuda", torch.bfloat16):
            context = model.text_encoder(ids).last_hidden_state
            predicted = model.unet(noisy, timesteps, context).sample
        photo, other = (predicted.float() - noise).chunk(2)
        zero = torch.zeros_like(photo)
        loss = F.mse_loss(photo, zero) + F.mse_loss(other, zero)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()  # the script shows it at every step

    _seconds(step, 5)
    return {"s_per_step": _seconds(step, 20)}


def _seconds(step: Callable[[], None], count: int) -> float:
    torch.cuda.synchronize()
    began = time.monotonic()
    for _ in range(count):
        step()
    torch.cuda.synchronize()
    return (time.monotonic() - began) / count


if __name__ == "__main__":
    raise SystemExit(main())
