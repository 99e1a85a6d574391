"""The two stages of the mini model: the autoencoder on pixels, then text encoder and denoiser on latents."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel

from trainer.pretrain.data import to_unit
from trainer.pretrain.loop import Schedule, fit

_KL_WEIGHT = 2e-4
_EDGE_WEIGHT = 0.5
_LATENT_NOISE = 0.05
_SNR_GAMMA = 5.0
_DROP_CAPTION = 0.1


def train_vae(
    vae: AutoencoderKL, pictures: torch.Tensor, schedule: Schedule, *, batch: int, file: Path, deadline: float
) -> bool:
    """Fit the autoencoder on pictures uint8 [N,H,W,3]. False when the deadline came first."""
    device = pictures.device

    def loss() -> torch.Tensor:
        index = torch.randint(len(pictures), (batch,), device=device)
        real = to_unit(pictures[index]).to(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
            posterior = vae.encode(real).latent_dist
            drawn = vae.decode(posterior.mean + posterior.std * torch.randn_like(posterior.std)).sample
        drawn = drawn.float()
        return F.l1_loss(drawn, real) + _EDGE_WEIGHT * _edge_loss(drawn, real) + _KL_WEIGHT * _kl(posterior)

    return fit(vae, loss, schedule, file=file, device=device, deadline=deadline)


def train_decoder(
    vae: AutoencoderKL,
    pictures: torch.Tensor,
    latents: torch.Tensor,
    schedule: Schedule,
    *,
    batch: int,
    file: Path,
    deadline: float,
) -> bool:
    """Fit the decoder alone on pictures and their latents (not scaled): what latents mean stays as it is.

    Stability's ft-mse autoencoders were made so too. False when the deadline came first.
    """
    device = pictures.device
    decoder = torch.nn.ModuleList([vae.post_quant_conv, vae.decoder])

    def loss() -> torch.Tensor:
        index = torch.randint(len(pictures), (batch,), device=device)
        real, latent = to_unit(pictures[index]), latents[index].float()
        # A denoiser's latents are a little off; the decoder should not mind.
        latent = latent + _LATENT_NOISE * torch.randn_like(latent)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda", cache_enabled=False):
            drawn = vae.decode(latent).sample.float()
        return F.l1_loss(drawn, real) + _EDGE_WEIGHT * _edge_loss(drawn, real)

    return fit(decoder, loss, schedule, file=file, device=device, deadline=deadline)


def _edge_loss(drawn: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """L1 of the differences between neighbours: without it thin lines (glasses, whiskers) blur away."""
    across = F.l1_loss(drawn.diff(dim=-1), real.diff(dim=-1))
    return across + F.l1_loss(drawn.diff(dim=-2), real.diff(dim=-2))


def _kl(posterior: object) -> torch.Tensor:
    mean, log_variance = posterior.mean.float(), posterior.logvar.float()  # type: ignore[attr-defined]
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).mean()


@torch.inference_mode()
def encode_all(vae: AutoencoderKL, pictures: torch.Tensor, batch: int = 1024) -> torch.Tensor:
    """Latent means of every picture, bfloat16 [N,4,h,w]; not scaled."""
    parts = []
    with torch.autocast(pictures.device.type, torch.bfloat16, enabled=pictures.is_cuda):
        for chunk in pictures.split(batch):
            parts.append(vae.encode(to_unit(chunk)).latent_dist.mean.bfloat16())
    return torch.cat(parts)


class Denoiser(torch.nn.Module):
    """Text encoder and UNet as one module: both learn from the same loss."""

    def __init__(self, text_encoder: CLIPTextModel, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        self.unet = unet

    def forward(self, noisy: torch.Tensor, timesteps: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Noise predicted in `noisy` [B,4,h,w] at `timesteps` [B] for prompts `ids` [B,77]."""
        context = self.text_encoder(ids).last_hidden_state
        prediction: torch.Tensor = self.unet(noisy, timesteps, context).sample
        return prediction


def train_diffusion(
    denoiser: Denoiser,
    scheduler: DDIMScheduler,
    latents: torch.Tensor,
    ids: torch.Tensor,
    empty: torch.Tensor,
    schedule: Schedule,
    *,
    batch: int,
    file: Path,
    deadline: float,
    compiled: bool,
) -> bool:
    """Fit on scaled latents [N,4,h,w] and caption ids [N,77]; `empty` [77] is the empty prompt.

    One caption in ten is dropped for classifier-free guidance (arXiv:2207.12598); the loss is weighted
    by min-SNR with gamma 5 (arXiv:2303.09556). False when the deadline came first.
    """
    device = latents.device
    kept = scheduler.alphas_cumprod.to(device)
    snr = kept / (1.0 - kept)
    weights = snr.clamp(max=_SNR_GAMMA) / snr
    if compiled:
        denoiser.unet.compile()

    def loss() -> torch.Tensor:
        index = torch.randint(len(latents), (batch,), device=device)
        clean = latents[index].float()
        dropped = torch.rand(batch, 1, device=device) < _DROP_CAPTION
        prompt = torch.where(dropped, empty, ids[index]).long()
        timesteps = torch.randint(len(kept), (batch,), device=device)
        noise = torch.randn_like(clean)
        share = kept[timesteps].view(-1, 1, 1, 1)
        noisy = share.sqrt() * clean + (1.0 - share).sqrt() * noise
        with torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
            predicted = denoiser(noisy.to(memory_format=torch.channels_last), timesteps, prompt)
        return (weights[timesteps] * (predicted.float() - noise).square().mean(dim=(1, 2, 3))).mean()

    return fit(denoiser, loss, schedule, file=file, device=device, deadline=deadline)
