"""DreamBooth's training step over cached latents (Ruiz et al. 2022, arXiv:2208.12242; lesson step 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler
from PIL import Image

from data.disk import replacing
from inference.model import Model
from trainer.replay import Replay
from trainer.spec import Recipe


@dataclass(frozen=True)
class LatentSet:
    """Pictures as the VAE sees them, scaled: mean and deviation [N,4,h,w]; and their prompts' ids [N,77]."""

    mean: torch.Tensor
    deviation: torch.Tensor
    ids: torch.Tensor


@torch.inference_mode()
def encode(model: Model, images: Sequence[Image.Image], prompts: Sequence[str]) -> LatentSet:
    """Encode square RGB images of the model's resolution, each with its prompt."""
    means, deviations = [], []
    for image in images:
        pixels = torch.from_numpy(np.asarray(image, dtype=np.float32) / 127.5 - 1.0).permute(2, 0, 1)[None]
        posterior = model.vae.encode(pixels.to(model.device, model.vae.dtype)).latent_dist
        means.append(posterior.mean.float())
        deviations.append(posterior.std.float())
    scaling = model.vae.config.scaling_factor
    return LatentSet(torch.cat(means) * scaling, torch.cat(deviations) * scaling, model.token_ids([*prompts]))


class DreamBooth:
    """Learns a subject: call `step` again and again. Holds all state that a checkpoint must keep."""

    def __init__(self, model: Model, recipe: Recipe, instance: LatentSet, prior: LatentSet | None) -> None:
        self.done = 0
        self.unread = 0
        """Steps whose loss `mean_loss` has not told yet."""
        self._model = model
        self._recipe = recipe
        self._instance = instance
        self._prior = prior
        self._precise = recipe.precision == "fp32" or (
            recipe.precision == "auto" and model.device.type == "cpu"
        )
        self._schedule = DDPMScheduler.from_config(model.scheduler.config)
        self._kept = self._schedule.alphas_cumprod.to(model.device)
        self._parameters = self._prepare_modules()
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=recipe.learning_rate, fused=True, capturable=model.device.type == "cuda"
        )
        self._generator = torch.Generator(model.device).manual_seed(recipe.seed)
        self._loss_sum = torch.zeros((), device=model.device)
        self._replay = Replay(self._run_step, model.device, (self._generator,))

    def step(self) -> None:
        """One optimiser step on `batch_size` photos and, with prior preservation, as many class images."""
        self._replay()
        self.done += 1
        self.unread += 1

    def mean_loss(self) -> float:
        """Mean loss of the steps since the last call, not finite once a step overflowed."""
        mean = self._loss_sum.item() / max(1, self.unread)
        self._loss_sum.zero_()
        self.unread = 0
        return mean

    def _prepare_modules(self) -> list[torch.nn.Parameter]:
        model, recipe = self._model, self._recipe
        model.vae.requires_grad_(False)
        model.text_encoder.requires_grad_(recipe.train_text_encoder)
        # Dropout is zero in these models: train() only says that they learn.
        model.unet.train().requires_grad_(True)
        return [p for p in (*model.unet.parameters(), *model.text_encoder.parameters()) if p.requires_grad]

    def _run_step(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._loss()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, self._recipe.max_grad_norm)
        self._optimizer.step()
        self._loss_sum.add_(loss.detach())

    def _loss(self) -> torch.Tensor:
        """Error of the predicted noise (or velocity) on photos, plus the weighted one on class images."""
        size = self._recipe.batch_size
        latents, ids = self._draw_batch(self._instance, size)
        if self._prior is not None:
            prior_latents, prior_ids = self._draw_batch(self._prior, size)
            latents, ids = torch.cat([latents, prior_latents]), torch.cat([ids, prior_ids])
        timesteps = self._random_index(len(self._kept), len(latents))
        noise = self._random_like(latents)
        share = self._kept[timesteps].view(-1, 1, 1, 1)
        noisy = share.sqrt() * latents + (1.0 - share).sqrt() * noise
        predicted = self._predict(noisy, timesteps, ids)
        error = (predicted - self._target(latents, noise, share)).square().mean(dim=(1, 2, 3))
        if self._prior is None:
            return error.mean()
        return error[:size].mean() + self._recipe.prior_weight * error[size:].mean()

    def _draw_batch(self, source: LatentSet, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures with the VAE's own noise sampled anew, so that it isn't learned as part of the person."""
        index = self._random_index(len(source.mean), size)
        mean = source.mean[index]
        return mean + source.deviation[index] * self._random_like(mean), source.ids[index]

    def _predict(self, noisy: torch.Tensor, timesteps: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        with torch.autocast(
            self._model.device.type, torch.bfloat16, enabled=not self._precise, cache_enabled=False
        ):
            context = self._model.text_encoder(ids).last_hidden_state
            noisy = noisy.to(memory_format=torch.channels_last)
            return self._model.unet(noisy, timesteps, context).sample.float()

    def _target(self, latents: torch.Tensor, noise: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        """What the model is to predict: noise, or velocity for v-prediction models (arXiv:2202.00512)."""
        if self._schedule.config.prediction_type == "v_prediction":
            return share.sqrt() * noise - (1.0 - share).sqrt() * latents
        return noise

    def _random_index(self, end: int, size: int) -> torch.Tensor:
        return torch.randint(end, (size,), device=self._model.device, generator=self._generator)

    def _random_like(self, tensor: torch.Tensor) -> torch.Tensor:
        return torch.randn(tensor.shape, device=tensor.device, generator=self._generator)

    def save(self, file: Path) -> None:
        """Write a checkpoint: beside first, then renamed. Raises OSError when the disk is full."""
        state = {
            "done": self.done,
            "unet": self._model.unet.state_dict(),
            "text_encoder": self._model.text_encoder.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "generator": self._generator.get_state(),
        }
        with replacing(file) as stream:
            torch.save(state, stream)

    def restore(self, file: Path) -> None:
        """Go on from a checkpoint of the same recipe: on the CPU bit for bit as if never stopped."""
        state = torch.load(file, map_location=self._model.device, weights_only=True)
        self._model.unet.load_state_dict(state["unet"])
        self._model.text_encoder.load_state_dict(state["text_encoder"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"].cpu())
        self.done = state["done"]
