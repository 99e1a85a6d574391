"""Another autoencoder in a base's place (lesson step 7: its decoder draws finer faces)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from inference.model import Model
from trainer.errors import TrainError


def with_vae(model: Model, name: str) -> Model:
    """The model with the VAE of a Hub id or folder. Raises TrainError(bad_vae)."""
    try:
        vae = AutoencoderKL.from_pretrained(name, torch_dtype=torch.float32)
    except (OSError, ValueError, RecursionError) as error:
        where = "in this folder" if Path(name).is_dir() else "on this machine or the Hub"
        raise TrainError("bad_vae", f"No VAE {name!r} can be found {where}.") from error
    ours, theirs = model.vae.config, vae.config
    same = ours.latent_channels == theirs.latent_channels and ours.scaling_factor == theirs.scaling_factor
    if not same or len(ours.block_out_channels) != len(theirs.block_out_channels):
        raise TrainError("bad_vae", f"The VAE {name!r} has other latents than this base model.")
    vae = vae.to(model.device, memory_format=torch.channels_last).eval().requires_grad_(False)
    return replace(model, vae=vae)
