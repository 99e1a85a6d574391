"""DreamBooth's training step over cached latents (Ruiz et al. 2022, arXiv:2208.12242; lesson step 7)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler
from PIL import Image
from torch.utils.checkpoint import checkpoint

from inference.model import Model
from inference.replay import Replay
from trainer.compiling import compile_blocks
from trainer.events import Plan
from trainer.lora import add_to_text_encoder, add_to_unet
from trainer.memory import is_split
from trainer.objective import min_snr_weight, noised, target
from trainer.optimizer import descent, rate_at
from trainer.probes import plan_for
from trainer.spec import Recipe

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


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
    """Learns a subject: call `step` again and again. Holds all state that a checkpoint must keep.

    The model is changed in place; with LoRA it carries the additions afterwards.
    """

    def __init__(
        self,
        model: Model,
        recipe: Recipe,
        instance: LatentSet,
        prior: LatentSet | None,
        plan: Plan | None = None,
    ) -> None:
        self.done = 0
        self.unread = 0
        """Steps whose loss `mean_loss` has not told yet."""
        self.plan = plan or plan_for(model, recipe)
        self._model = model
        self._recipe = recipe
        self._instance = instance
        self._prior = prior
        self._schedule = DDPMScheduler.from_config(model.scheduler.config)
        self._kept = self._schedule.alphas_cumprod.to(model.device)
        self._prepare_modules()
        self._trained = self._trainable()
        self._descent = descent([*self._trained.values()], recipe, self.plan, model.device)
        self._generator = torch.Generator(model.device).manual_seed(recipe.seed)
        self._loss_sum = torch.zeros((), device=model.device)
        self._replay = Replay(
            self._run_step, model.device, (self._generator,), capture=not why_eager(self.plan)
        )

    @property
    def device(self) -> torch.device:
        """Where it learns."""
        return self._model.device

    def step(self) -> None:
        """One optimiser step on `batch_size` photos and, with prior preservation, as many class images."""
        if self.done == self._recipe.text_encoder_steps:
            self._rest_text_encoder()
        if self.done <= self._recipe.warmup_steps:
            self._descent.set_rate(rate_at(self.done, self._recipe, self.plan))
        self._replay()
        self.done += 1
        self.unread += 1

    def mean_loss(self) -> float:
        """Mean loss of the steps since the last call, not finite once a step overflowed."""
        mean = self._loss_sum.item() / max(1, self.unread)
        self._loss_sum.zero_()
        self.unread = 0
        return mean

    def learned(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Name (`unet.` or `text_encoder.` first) and exact value of each weight that training may change."""
        return zip(self._trained, self._descent.masters(), strict=True)

    def release(self) -> None:
        """Training is over: leave the model with its exact weights, and give back what only steps need."""
        self._replay.forget()
        self._descent.release()

    @contextlib.contextmanager
    def precision(self) -> Iterator[None]:
        """Compute as the plan says with weights that are kept in single precision."""
        with torch.autocast(
            self._model.device.type,
            _DTYPES[self.plan.precision],
            enabled=self.plan.precision != "fp32" and not is_split(self.plan),
            cache_enabled=False,
        ):
            yield

    def _prepare_modules(self) -> None:
        model, recipe = self._model, self._recipe
        model.vae.requires_grad_(False)
        if self.plan.method == "lora":
            for part in (model.unet, model.text_encoder):
                part.requires_grad_(False)
                if self.plan.precision != "fp32":
                    part.to(_DTYPES[self.plan.precision])
            add_to_unet(model.unet, recipe)
            if recipe.train_text_encoder:
                add_to_text_encoder(model.text_encoder, recipe)
        else:
            model.unet.requires_grad_(True)
            model.text_encoder.requires_grad_(recipe.train_text_encoder)
        if self.plan.gradient_checkpointing:
            _checkpoint_gradients(model)
        if recipe.compiled and model.device.type == "cuda":
            compile_blocks(model.unet)

    def _trainable(self) -> dict[str, torch.nn.Parameter]:
        parts = {"unet": self._model.unet, "text_encoder": self._model.text_encoder}
        return {
            f"{part}.{name}": parameter
            for part, module in parts.items()
            for name, parameter in module.named_parameters()
            if parameter.requires_grad
        }

    def _rest_text_encoder(self) -> None:
        """From here on the text encoder stays as it is: without gradients the optimiser passes it over."""
        self._model.text_encoder.requires_grad_(False)
        self._descent.clear()
        self._replay.forget()

    def _run_step(self) -> None:
        self._descent.clear()
        for _ in range(self._recipe.accumulation):
            loss = self._loss() / self._recipe.accumulation
            self._descent.backward(loss)
            self._loss_sum.add_(loss.detach())
        self._descent.step()

    def _loss(self) -> torch.Tensor:
        """Error of the predicted noise (or velocity) on photos, plus the weighted one on class images."""
        size = self._recipe.batch_size
        latents, ids = self._draw_batch(self._instance, size)
        if self._prior is not None:
            prior_latents, prior_ids = self._draw_batch(self._prior, size)
            latents, ids = torch.cat([latents, prior_latents]), torch.cat([ids, prior_ids])
        timesteps = self._random_index(len(self._kept), len(latents))
        noise = self._random_like(latents)
        share = self._kept[timesteps]
        predicted = self._predict(noised(latents, noise, share), timesteps, ids)
        kind = self._schedule.config.prediction_type
        error = (predicted - target(latents, noise, share, kind)).square().mean(dim=(1, 2, 3))
        if self._recipe.min_snr_gamma is not None:
            error = error * min_snr_weight(share, self._recipe.min_snr_gamma, kind)
        if self._prior is None:
            return error.mean()
        return error[:size].mean() + self._recipe.prior_weight * error[size:].mean()

    def _draw_batch(self, source: LatentSet, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures with the VAE's own noise sampled anew, so that it isn't learned as part of the person."""
        index = self._random_index(len(source.mean), size)
        mean = source.mean[index]
        return mean + source.deviation[index] * self._random_like(mean), source.ids[index]

    def _predict(self, noisy: torch.Tensor, timesteps: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        with self.precision():
            unet = self._model.unet
            context = self._model.text_encoder(ids).last_hidden_state.to(unet.dtype)
            noisy = noisy.to(unet.dtype, memory_format=torch.channels_last)
            return unet(noisy, timesteps, context).sample.float()

    def _random_index(self, end: int, size: int) -> torch.Tensor:
        return torch.randint(end, (size,), device=self._model.device, generator=self._generator)

    def _random_like(self, tensor: torch.Tensor) -> torch.Tensor:
        return torch.randn(tensor.shape, device=tensor.device, generator=self._generator)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, as references to the live tensors."""
        return {
            "done": self.done,
            "weights": {name: parameter.detach() for name, parameter in self._trained.items()},
            "generator": self._generator.get_state(),
            **self._descent.state(),
        }

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Go on from the state of the same recipe and plan: on the CPU bit for bit as if never stopped."""
        for name, parameter in self._trained.items():
            parameter.copy_(state["weights"][name])
        self._descent.restore(state)
        self._generator.set_state(state["generator"].cpu())
        self.done = state["done"]
        self._descent.set_rate(rate_at(self.done, self._recipe, self.plan))
        if self._recipe.text_encoder_steps is not None and self.done >= self._recipe.text_encoder_steps:
            self._rest_text_encoder()


def why_eager(plan: Plan) -> str | None:
    """Why a step can't become a CUDA graph, or None where it can."""
    if plan.optimizer == "adamw8bit":
        return "8-bit AdamW counts its steps outside the GPU"
    if plan.precision == "fp16":
        return "loss scaling decides each step anew"
    return None


def _checkpoint_gradients(model: Model) -> None:
    """Keep few activations and compute the others again in the backward pass. No dropout, no random state."""
    model.unet.enable_gradient_checkpointing(
        partial(checkpoint, use_reentrant=False, preserve_rng_state=False)
    )
    model.text_encoder.gradient_checkpointing_enable({"use_reentrant": False, "preserve_rng_state": False})
    model.text_encoder.train()
