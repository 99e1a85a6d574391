"""Classifier-free guidance over DDIM steps: prompts to pictures (arXiv:2207.12598, arXiv:2010.02502)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import DDIMScheduler
from PIL import Image

from inference.errors import ModelError
from inference.model import Model


@dataclass(frozen=True, slots=True)
class Brush:
    """How to draw: the same for all pictures of a batch. Sides in pixels."""

    steps: int
    guidance: float
    width: int
    height: int


def check_size(model: Model, width: int | None, height: int | None) -> tuple[int, int]:
    """Width and height to draw at, the model's own where None. Raises ModelError(bad_size)."""
    sides = (width or model.resolution, height or model.resolution)
    if any(side % model.size_step for side in sides):
        raise ModelError("bad_size", f"Width and height must be multiples of {model.size_step} pixels.")
    return sides


@torch.inference_mode()
def draw(
    model: Model,
    prompts: Sequence[str],
    negatives: Sequence[str],
    seeds: Sequence[int],
    brush: Brush,
    on_step: Callable[[int], None],
) -> Iterator[Image.Image]:
    """Draw one picture a prompt, all in one batch, and yield them as they are decoded.

    `on_step` is told each finished step (1-based) and may raise to stop. A picture depends on its own
    prompt and seed, not on the rest of the batch. Raises ModelError(not_finite) instead of a black picture.
    """
    guided = brush.guidance > 1.0
    context = _encode(model, [*negatives, *prompts] if guided else [*prompts])
    scheduler = DDIMScheduler.from_config(model.scheduler.config)
    scheduler.set_timesteps(brush.steps, device=model.device)
    latents = _noise(model, seeds, brush).to(model.device, context.dtype) * scheduler.init_noise_sigma
    for number, timestep in enumerate(scheduler.timesteps, 1):
        batch = torch.cat([latents, latents]) if guided else latents
        batch = scheduler.scale_model_input(batch, timestep).to(memory_format=torch.channels_last)
        predicted = model.unet(batch, timestep, encoder_hidden_states=context).sample
        if guided:
            without, with_prompt = predicted.chunk(2)
            predicted = without + brush.guidance * (with_prompt - without)
        latents = scheduler.step(predicted, timestep, latents).prev_sample
        on_step(number)
    if not torch.isfinite(latents).all():
        raise ModelError("not_finite", "The model drew no valid picture: its weights or precision overflow.")
    for latent in latents.split(1):
        yield _decode(model, latent)


def _encode(model: Model, prompts: list[str]) -> torch.Tensor:
    return model.text_encoder(model.token_ids(prompts)).last_hidden_state


def _noise(model: Model, seeds: Sequence[int], brush: Brush) -> torch.Tensor:
    """Start noise from each picture's own seed, on the CPU, so that a seed means the same on every device."""
    shape = (1, model.unet.config.in_channels, brush.height // model.scale, brush.width // model.scale)
    return torch.cat([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def _decode(model: Model, latent: torch.Tensor) -> Image.Image:
    pixels = model.vae.decode(latent / model.vae.config.scaling_factor).sample[0].float()
    unit = (pixels / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    return Image.fromarray((unit * 255).round().astype(np.uint8))
