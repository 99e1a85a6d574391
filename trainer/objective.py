"""What a diffusion model is trained to predict, and how much each picture's error counts."""

from __future__ import annotations

import torch


def noised(clean: torch.Tensor, noise: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Latents [N,4,h,w] with noise; `share` [N] is the part of the variance that the picture keeps."""
    kept = share.view(-1, 1, 1, 1)
    return kept.sqrt() * clean + (1.0 - kept).sqrt() * noise


def target(
    clean: torch.Tensor, noise: torch.Tensor, share: torch.Tensor, prediction_type: str
) -> torch.Tensor:
    """Noise, or velocity for v-prediction models (arXiv:2202.00512)."""
    if prediction_type == "v_prediction":
        kept = share.view(-1, 1, 1, 1)
        return kept.sqrt() * noise - (1.0 - kept).sqrt() * clean
    return noise


def min_snr_weight(share: torch.Tensor, gamma: float, prediction_type: str) -> torch.Tensor:
    """Weight [N] of each picture's error: min(SNR, gamma), in the terms of what is predicted.

    Hang et al. 2023, arXiv:2303.09556, section 3.4. Each picture has its own timestep: photos and class
    images must be weighted one by one, before their means are taken.
    """
    ratio = share / (1.0 - share)
    capped = ratio.clamp(max=gamma)
    return capped / (ratio + 1.0 if prediction_type == "v_prediction" else ratio)
