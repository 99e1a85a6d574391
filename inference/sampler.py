"""Classifier-free guidance over DDIM steps: prompts to pictures (arXiv:2207.12598, arXiv:2010.02502)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler
from PIL import Image, ImageOps

from inference.errors import ModelError, PictureError
from inference.model import Model
from inference.reading import read_picture

OnLatents = Callable[[int, torch.Tensor], None]
Predict = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Latents [N,4,h,w], timestep and context [N,77,d] to the UNet's prediction [N,4,h,w]."""
Decode = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""One latent [1,4,h,w] to bytes [H,W,3], and whether all pixels were numbers, as a tensor [] too."""


@dataclass(frozen=True, slots=True)
class Brush:
    """How to draw: the same for all pictures of a batch. Sides in pixels."""

    steps: int
    guidance: float
    width: int
    height: int
    strength: float = 1.0
    """Share of the steps that is drawn, for pictures that start from another one (0 to 1, without 0)."""

    @property
    def drawn_steps(self) -> int:
        """Steps that are really drawn."""
        return max(1, round(self.steps * self.strength))


def check_size(model: Model, width: int | None, height: int | None) -> tuple[int, int]:
    """Width and height to draw at, the model's own where None. Raises ModelError(bad_size)."""
    sides = (width or model.resolution, height or model.resolution)
    if any(side % model.size_step for side in sides):
        raise ModelError("bad_size", f"Width and height must be multiples of {model.size_step} pixels.")
    return sides


def open_init(path: Path, width: int, height: int) -> Image.Image:
    """A picture to start from: filled to the size, cut at the middle. Raises ModelError(bad_init)."""
    try:
        image = read_picture(path.name, path.read_bytes(), side=max(width, height))
    except PictureError as error:
        raise ModelError("bad_init", f"The picture to start from can't be used: {error.message}") from error
    except OSError as error:
        raise ModelError("bad_init", "The picture to start from can't be read.") from error
    return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)


@torch.inference_mode()
def draw(
    model: Model,
    prompts: Sequence[str],
    negatives: Sequence[str],
    seeds: Sequence[int],
    brush: Brush,
    on_step: Callable[[int], None],
    *,
    inits: Sequence[Image.Image] = (),
    on_latents: OnLatents | None = None,
    predict: Predict | None = None,
    decode: Decode | None = None,
) -> Iterator[Image.Image]:
    """Draw one picture a prompt, all in one batch, and yield them as they are decoded.

    `on_step` is told each finished step (1-based) and may raise to stop. A picture depends on its own
    prompt and seed, not on the rest of the batch. With `inits`, one RGB picture of the brush's size a
    prompt, noise is added to them and only the brush's share of the steps is drawn (SDEdit,
    arXiv:2108.01073). `on_latents` is shown each step's guess of the clean latents [N,4,h,w]. `predict`
    stands in for the UNet, `decode` for the VAE. Raises ModelError(not_finite) instead of a black picture.
    """
    predict, decode = predict or unet_of(model), decode or decoder_of(model)
    guided = brush.guidance > 1.0
    dtype = model.unet.dtype
    context = _encode(model, [*negatives, *prompts] if guided else [*prompts]).to(dtype)
    scheduler = DDIMScheduler.from_config(model.scheduler.config)
    # Timesteps on the CPU are looked up there: on the GPU each step would wait for the one before.
    scheduler.set_timesteps(brush.steps)
    timesteps = scheduler.timesteps[-brush.drawn_steps :] if inits else scheduler.timesteps
    shown = timesteps.to(model.device)
    latents = _noise(model, seeds, brush).to(model.device)  # in single precision: their steps are small
    if inits:
        started = _encode_pictures(model, inits)
        latents = scheduler.add_noise(started, latents, shown[:1].expand(len(started)))
    else:
        latents = latents * scheduler.init_noise_sigma
    pace = _Pace(model.device)
    for number, timestep in enumerate(timesteps, 1):
        batch = torch.cat([latents, latents]) if guided else latents
        batch = scheduler.scale_model_input(batch, timestep).to(dtype, memory_format=torch.channels_last)
        predicted = predict(batch, shown[number - 1], context).float()
        if guided:
            without, with_prompt = predicted.chunk(2)
            predicted = without + brush.guidance * (with_prompt - without)
        step = scheduler.step(predicted, timestep, latents)
        latents = step.prev_sample
        if on_latents is not None:
            on_latents(number, step.pred_original_sample)
        pace()
        on_step(number)
    if not torch.isfinite(latents).all():
        raise _not_finite()
    for latent in latents.split(1):
        yield Image.fromarray(_decoded(model, latent, decode).cpu().numpy())


def _decoded(model: Model, latent: torch.Tensor, decode: Decode) -> torch.Tensor:
    """Bytes [H,W,3]; where the VAE overflows, in single precision. Raises ModelError(not_finite)."""
    pixels, finite = decode(latent)
    if not finite and model.vae.dtype != torch.float32:
        pixels, finite = decoder_of(model.with_single_vae())(latent)
    if not finite:
        raise _not_finite()
    return pixels


def _not_finite() -> ModelError:
    return ModelError("not_finite", "The model drew no valid picture: its weights or precision overflow.")


class _Pace:
    """Lets Python be one step ahead of a GPU and no more: progress stays true, and a cancel comes soon."""

    def __init__(self, device: torch.device) -> None:
        self._gpu = device.type == "cuda"
        self._before: torch.cuda.Event | None = None

    def __call__(self) -> None:
        if not self._gpu:
            return
        now = torch.cuda.Event(blocking=True)
        now.record()
        if self._before is not None:
            self._before.synchronize()
        self._before = now


def unet_of(model: Model) -> Predict:
    """The model's UNet as it is called."""
    return lambda batch, timestep, context: model.unet(batch, timestep, encoder_hidden_states=context).sample


def decoder_of(model: Model) -> Decode:
    """The model's VAE as it is called, and the way from its pixels to bytes."""

    def decode(latent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scaled = (latent / model.vae.config.scaling_factor).to(model.vae.dtype)
        pixels = model.vae.decode(scaled).sample[0].float()
        unit = (pixels / 2 + 0.5).clamp(0, 1).permute(1, 2, 0)
        return (unit * 255).round().to(torch.uint8), pixels.isfinite().all()

    return decode


def _encode_pictures(model: Model, pictures: Sequence[Image.Image]) -> torch.Tensor:
    """The VAE's mean: its own noise would be one more thing that a seed doesn't say."""
    pixels = torch.from_numpy(np.stack([np.asarray(picture, np.float32) for picture in pictures]))
    pixels = (pixels / 127.5 - 1.0).permute(0, 3, 1, 2).to(model.device, model.vae.dtype)
    latents = [model.vae.encode(one).latent_dist.mean.float() for one in pixels.split(1)]
    return torch.cat(latents) * model.vae.config.scaling_factor


def _encode(model: Model, prompts: list[str]) -> torch.Tensor:
    return model.text_encoder(model.token_ids(prompts)).last_hidden_state


def _noise(model: Model, seeds: Sequence[int], brush: Brush) -> torch.Tensor:
    """Start noise from each picture's own seed, on the CPU, so that a seed means the same on every device."""
    shape = (1, model.unet.config.in_channels, brush.height // model.scale, brush.width // model.scale)
    return torch.cat([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
