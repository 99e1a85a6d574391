"""A pipeline's parts in memory, ready to draw."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from inference.bases import locate
from inference.errors import ModelError
from inference.fusing import fuse
from inference.lora import is_lora, merge, read_lora
from inference.weights import weights_in

SMALL_GIB = 12.0
"""A GPU with no more memory than this keeps nothing that waits: whoever works needs all of it."""


def pick_device() -> torch.device:
    """The GPU when PyTorch sees one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def drawing_dtype(device: torch.device) -> torch.dtype:
    """Half precision on a GPU, single on the CPU."""
    return torch.float16 if device.type == "cuda" else torch.float32


def memory_gib(device: torch.device) -> float:
    """All the memory that a GPU has. Asking takes none of it."""
    return torch.cuda.get_device_properties(device).total_memory / 2**30


@dataclass(frozen=True)
class Model:
    """The parts of a Stable Diffusion 1.x or 2.x pipeline, all on one device."""

    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    scheduler: DDIMScheduler

    @property
    def scale(self) -> int:
        """Pixels a latent."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def size_step(self) -> int:
        """Sides must be multiples of this many pixels for every level of the UNet to halve evenly."""
        return self.scale * 2 ** (len(self.unet.config.block_out_channels) - 1)

    @property
    def resolution(self) -> int:
        """The side in pixels that the model was trained at."""
        return int(self.unet.config.sample_size) * self.scale

    @property
    def device(self) -> torch.device:
        """Where the parts are."""
        # Asked for at every step: `unet.device` would look through all modules for hooks first.
        return next(self.unet.parameters()).device

    def with_words_of(self, folder: Path) -> Model:
        """The same modules with another model's tokenizer and scheduler."""
        return replace(
            self,
            tokenizer=_tokenizer(folder),
            scheduler=_ddim(folder),
        )

    def freeze(self) -> None:
        """Make the parts ready to draw after training: no gradients, no memory for them."""
        for part in (self.text_encoder, self.unet, self.vae):
            part.eval().requires_grad_(False).zero_grad(set_to_none=True)

    def to_draw(self) -> Model:
        """As it is drawn with: itself on the CPU, a copy in half precision on a GPU."""
        dtype = drawing_dtype(self.device)
        if self.unet.dtype == self.vae.dtype == dtype:
            return self
        parts = {
            name: _copied(getattr(self, name), dtype).eval().requires_grad_(False)
            for name in ("text_encoder", "unet", "vae")
        }
        return replace(self, **parts)

    def with_single_vae(self) -> Model:
        """The same model with a copy of its VAE in single precision."""
        return replace(self, vae=_copied(self.vae, torch.float32))

    def pipeline(self) -> StableDiffusionPipeline:
        """The same parts as a diffusers pipeline, to be saved."""
        return StableDiffusionPipeline(
            vae=self.vae,
            text_encoder=self.text_encoder,
            tokenizer=self.tokenizer,
            unet=self.unet,
            scheduler=self.scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )

    def token_ids(self, prompts: list[str]) -> torch.Tensor:
        """Prompts as ids [N,77] on the device; what is over 77 tokens is cut."""
        encoded = self.tokenizer(
            prompts,
            padding="max_length",
            truncation=True,
            max_length=self.tokenizer.model_max_length,
            return_tensors="pt",
        )
        return encoded.input_ids.to(self.device)


def load(name: str, device: torch.device, dtype: torch.dtype) -> Model:
    """Load a base or a trained model; a LoRA's products are added to its base.

    Raises ModelError, with codes as `inference.bases.locate`.
    """
    folder = locate(name)
    if not is_lora(folder):
        return load_folder(folder, device, dtype)
    lora = read_lora(folder)
    model = load_folder(locate(lora.base), device, dtype)
    merge(lora, {"unet": model.unet, "text_encoder": model.text_encoder})
    return model if lora.vae is None else replace(model, vae=load_vae(lora.vae, device, dtype))


def load_folder(folder: Path, device: torch.device, dtype: torch.dtype) -> Model:
    """Load a full model from a folder that `check_folder` has seen. Raises ModelError(base_incomplete)."""
    unet = _convolutional(_part(UNet2DConditionModel, folder, "unet", torch_dtype=dtype), device)
    fuse(unet)
    return Model(
        tokenizer=_tokenizer(folder),
        text_encoder=_part(CLIPTextModel, folder, "text_encoder", dtype=dtype).to(device).eval(),
        unet=unet,
        vae=_convolutional(_part(AutoencoderKL, folder, "vae", torch_dtype=dtype), device),
        scheduler=_ddim(folder),
    )


def load_vae(source: str, device: torch.device, dtype: torch.dtype) -> AutoencoderKL:
    """A VAE from its folder, or from the Hub by its id. Raises ModelError(unknown_base)."""
    try:
        return _convolutional(AutoencoderKL.from_pretrained(source, torch_dtype=dtype), device)
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError("unknown_base", f"The VAE {source!r} can't be loaded.") from error


def _part(kind: type[Any], folder: Path, part: str, **how: torch.dtype) -> Any:
    """A part with all its weights: the loaders fill what is missing with random numbers."""
    weights = weights_in(folder, part)
    with _readable(folder, part):
        module, report = kind.from_pretrained(
            folder / part, variant=weights.variant if weights else None, output_loading_info=True, **how
        )
    if missing := sorted(report["missing_keys"]):
        message = f"The {part} of {folder.name!r} lacks {len(missing)} of its weights, such as {missing[0]}."
        raise ModelError("base_incomplete", message)
    return module


@contextlib.contextmanager
def _readable(folder: Path, part: str) -> Iterator[None]:
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:  # the loaders raise anything for files that make no sense together
        message = f"The {part} of {folder.name!r} can't be loaded: its files are damaged or don't fit."
        raise ModelError("base_incomplete", message) from error


def _copied(module: torch.nn.Module, dtype: torch.dtype) -> torch.nn.Module:
    """A module of its own in another precision; never are there two copies in the old one."""
    taken: dict[int, object] = {
        id(parameter): torch.nn.Parameter(parameter.detach().to(dtype, copy=True), requires_grad=False)
        for parameter in module.parameters()
    }
    return copy.deepcopy(module, taken)


def _convolutional(module: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    return module.to(device, memory_format=torch.channels_last).eval()


def _tokenizer(folder: Path) -> CLIPTokenizer:
    with _readable(folder, "tokenizer"):
        return CLIPTokenizer.from_pretrained(folder / "tokenizer")


def _ddim(folder: Path) -> DDIMScheduler:
    """DDIM as in lesson step 9, with the model's own betas and prediction type."""
    with _readable(folder, "scheduler"):
        return DDIMScheduler.from_pretrained(folder / "scheduler", clip_sample=False, set_alpha_to_one=False)
