"""What a drawing looks like while it is drawn: latents to colours by a small linear map, never the VAE."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from data.disk import replacing
from inference.model import Model

SECONDS = 2.0
"""Least time between two previews of a request."""
_SIDE = 256
"""Longest side in pixels of one picture in a preview."""


@torch.inference_mode()
def fit_colours(model: Model) -> torch.Tensor:
    """A map [5,3] from a latent's four channels and a one to red, green and blue (-1 to 1).

    Least squares over what the VAE makes of flat patches of noise, which are as large as its sight is wide.
    """
    generator = torch.Generator().manual_seed(0)
    patches = torch.randn(4, model.unet.config.in_channels, 4, 4, generator=generator)
    latents = patches.repeat_interleave(4, 2).repeat_interleave(4, 3).to(model.device, model.vae.dtype)
    pixels = model.vae.decode(latents / model.vae.config.scaling_factor).sample.float()
    # A VAE that overflows shows grey here: whether its pictures are whole is seen when they are decoded.
    colours = torch.nn.functional.avg_pool2d(pixels, model.scale).nan_to_num(0.0, 1.0, -1.0)
    return torch.linalg.lstsq(_rows(latents.float()).cpu(), _columns(colours).cpu()).solution


def _columns(planes: torch.Tensor) -> torch.Tensor:
    return planes.permute(0, 2, 3, 1).reshape(-1, planes.shape[1])


def _rows(latents: torch.Tensor) -> torch.Tensor:
    columns = _columns(latents)
    return torch.cat([columns, torch.ones_like(columns[:, :1])], dim=1)


def picture_of(latents: torch.Tensor, colours: torch.Tensor, scale: int) -> Image.Image:
    """Latents [N,4,h,w] as N small pictures side by side. `scale` is the pixels a latent of the VAE."""
    count, _, height, width = latents.shape
    shown = (_rows(latents.float().cpu()) @ colours).view(count, height, width, 3)
    bytes_ = ((shown.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
    strip = Image.fromarray(np.concatenate(list(bytes_), axis=1))
    enlarge = min(scale, _SIDE / max(height, width))
    return strip.resize(
        (round(strip.width * enlarge), round(strip.height * enlarge)), Image.Resampling.BICUBIC
    )


class Previewer:
    """Writes a request's preview, not more often than every `SECONDS`."""

    def __init__(self, file: Path, colours: torch.Tensor, scale: int, told: Callable[[Path], None]) -> None:
        self._file = file
        self._colours = colours
        self._scale = scale
        self._told = told
        self._last = time.monotonic()

    def __call__(self, latents: torch.Tensor) -> None:
        """Show a guess of the clean latents [N,4,h,w]. Raises OSError when the disk is full."""
        if time.monotonic() - self._last < SECONDS:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self._file) as file:
            picture_of(latents, self._colours, self._scale).save(file, "JPEG", quality=80)
        self._told(self._file)
        self._last = time.monotonic()

    def remove(self) -> None:
        """The pictures themselves are there, or will never be."""
        self._file.unlink(missing_ok=True)
