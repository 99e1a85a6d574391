"""Trained adapters: merged into their base's weights, or as a LoRA file with the names that others expect.

The names are those of kohya-ss/sd-scripts, which every interface for Stable Diffusion reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import torch

from inference.bases import resolve
from inference.errors import ModelError
from inference.lora import Pair, is_lora, read_config, read_lora
from trainer.export_files import Spec, Weights
from trainer.export_names import prediction_metadata

_SECOND_WIDTH = 1024
"""Width of what the text encoder says in Stable Diffusion 2.x; 768 in 1.x."""


@dataclass(frozen=True)
class Adapter:
    """What a LoRA model's folder holds."""

    base: str
    rank: int
    alpha: float
    pairs: Mapping[str, tuple[torch.Tensor, torch.Tensor]]
    """Full name of a module -> A [rank,in] and B [out,rank]; a convolution's `in` is channels x kernel."""
    vae: str | None
    """Folder or Hub id of the VAE that draws in the base's place."""


def adapter_of(model: str) -> Adapter | None:
    """The adapter in a model's folder, or None for a model with weights of its own. Raises ModelError."""
    folder = Path(model)
    if not is_lora(folder):
        return None
    lora, config = read_lora(folder), read_config(folder)
    pairs = {_full_name(pair): (pair.down, pair.up) for pair in lora.pairs}
    return Adapter(lora.base, config.rank, config.alpha, pairs, lora.vae)


def _full_name(pair: Pair) -> str:
    return f"unet.{pair.path}" if pair.part == "unet" else f"text_encoder.text_model.{pair.path}"


class Merged:
    """A base's weights with an adapter's changes in them, each added when its tensor is read.

    In single precision, as models are used: a base that is kept in half would swallow small changes.
    """

    def __init__(self, base: Weights, adapter: Adapter) -> None:
        """Raises ModelError(lora_mismatch) when the adapter is for another base."""
        self._base = base
        self._scaling = adapter.alpha / adapter.rank
        self._pairs = {f"{module}.weight": pair for module, pair in adapter.pairs.items()}
        there = base.specs()
        for name, (down, up) in self._pairs.items():
            rows, *rest = there[name].shape if name in there else (0,)
            if (rows, prod(rest)) != (up.shape[0], down.shape[1]):
                raise ModelError("lora_mismatch", f"The LoRA is for another base than {adapter.base!r}.")

    def specs(self) -> Mapping[str, Spec]:
        """The base's tensors by full name."""
        return {name: replace(spec, dtype=_single(spec.dtype)) for name, spec in self._base.specs().items()}

    def read(self, name: str) -> torch.Tensor:
        """One tensor as it is in use: W + alpha / rank * B @ A, computed as `inference.lora.merge` does."""
        weight = self._base.read(name)
        weight = weight.to(_single(weight.dtype))
        if name not in self._pairs:
            return weight
        down, up = (matrix.float() for matrix in self._pairs[name])
        changed = torch.addmm(weight.flatten(1), up, down, alpha=self._scaling)
        return changed.reshape(weight.shape)


def _single(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype.is_floating_point else dtype


def lora_file(adapter: Adapter, half: bool) -> tuple[list[Spec], Iterator[torch.Tensor], dict[str, str]]:
    """Specs, tensors and metadata of the file."""
    dtype = torch.float16 if half else torch.float32
    tensors: dict[str, torch.Tensor] = {}
    for module, (down, up) in sorted(adapter.pairs.items()):
        part, _, path = module.partition(".")
        name = f"{'lora_unet' if part == 'unet' else 'lora_te'}_{path.replace('.', '_')}"
        tensors[f"{name}.alpha"] = torch.tensor(adapter.alpha, dtype=dtype)
        tensors[f"{name}.lora_down.weight"] = down.to(dtype)
        tensors[f"{name}.lora_up.weight"] = up.to(dtype)
    specs = [Spec(name, tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()]
    metadata = {
        "format": "pt",
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(adapter.rank),
        "ss_network_alpha": str(adapter.alpha),
    } | _version(adapter)
    return specs, iter(tensors.values()), metadata


def _version(adapter: Adapter) -> dict[str, str]:
    """The base's kind in the words of kohya-ss/sd-scripts: AUTOMATIC1111 hides a LoRA of another kind."""
    widths = {down.shape[1] for module, (down, _) in adapter.pairs.items() if module.endswith(".attn2.to_k")}
    second = _SECOND_WIDTH in widths
    try:
        prediction = resolve(adapter.base).prediction_type
    except ModelError:  # the base is gone, or it was never on this machine
        prediction = None
    version = ("sd_v2" if second else "sd_v1") + ("_v" if prediction == "v_prediction" else "")
    said = {"ss_v2": str(second), "ss_base_model_version": version}
    return said if prediction is None else said | prediction_metadata(prediction)
