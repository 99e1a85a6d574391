"""Low-rank additions to attention (arXiv:2106.09685): put in, and written as a model's folder.

`inference.lora` reads the folder: `lora.json` names base, rank and alpha, `lora.safetensors` holds A and B of
every adapted layer, whose weight in use is W + alpha / rank * B A.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import torch
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import save_file

from data.disk import replacing_folder
from trainer.spec import Recipe

_UNET = ["to_q", "to_k", "to_v", "to_out.0"]
_TEXT_ENCODER = ["q_proj", "k_proj", "v_proj", "out_proj"]
_ADAPTER = "default"


def add_to_unet(unet: torch.nn.Module, recipe: Recipe) -> None:
    """Freeze the UNet and make additions that start at nothing; they alone learn."""
    _add(unet, _UNET, recipe)


def add_to_text_encoder(text_encoder: torch.nn.Module, recipe: Recipe) -> None:
    """The same for the text encoder."""
    _add(text_encoder, _TEXT_ENCODER, recipe)


def _add(module: torch.nn.Module, targets: list[str], recipe: Recipe) -> None:
    config = LoraConfig(r=recipe.lora_rank, lora_alpha=recipe.lora_alpha, target_modules=targets)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        inject_adapter_in_model(config, module, _ADAPTER)
    for parameter in module.parameters():
        if parameter.requires_grad:
            # Beside half-precision weights the additions stay in single: their steps are too small for less.
            parameter.data = parameter.data.float()


def save_lora(
    folder: Path, base: str, recipe: Recipe, learned: Iterable[tuple[str, torch.Tensor]], vae: str | None
) -> None:
    """Write a LoRA model's folder: beside first, then renamed. `learned` is `DreamBooth.learned()`.

    Raises OSError when the disk is full, and leaves nothing behind.
    """
    with replacing_folder(folder) as incoming:
        weights = {_stored_name(name): tensor.detach().cpu().contiguous() for name, tensor in learned}
        save_file(weights, incoming / "lora.safetensors", metadata={"format": "pt"})
        about = {"base": base, "rank": recipe.lora_rank, "alpha": recipe.lora_alpha}
        if vae:
            about["vae"] = vae
        (incoming / "lora.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _stored_name(name: str) -> str:
    """A parameter's name as the folder has it: without the adapter's, with the text encoder's old prefix."""
    name = name.replace(f".{_ADAPTER}.weight", ".weight")
    part, rest = name.split(".", 1)
    return (
        f"{part}.text_model.{rest}" if part == "text_encoder" and not rest.startswith("text_model.") else name
    )
