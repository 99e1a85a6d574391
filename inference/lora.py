"""LoRA models: two small matrices for each adapted layer, beside the name of the base (arXiv:2106.09685).

A folder holds `lora.json` (`base`, `rank`, `alpha`) and `lora.safetensors`, whose names are
`unet.<module path>.lora_A.weight` [rank,in] and `...lora_B.weight` [out,rank], and the same below
`text_encoder.text_model.`. The weight in use is W + (alpha / rank) * B @ A.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from inference.errors import ModelError

if TYPE_CHECKING:  # the face of this room is free of torch: the bot looks at folders too
    import torch

CONFIG = "lora.json"
WEIGHTS = "lora.safetensors"
_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"
# transformers 5.6 dropped this level of the text encoder's module paths; files keep it.
_TEXT_LEVEL = "text_model."

Part = Literal["unet", "text_encoder"]


class LoraConfig(BaseModel):
    """`lora.json`."""

    base: str = Field(min_length=1)
    """Alias, Hub id or folder of the model that the products are added to."""
    rank: int = Field(ge=1)
    alpha: float = Field(gt=0, allow_inf_nan=False)
    vae: str | None = None
    """Folder or Hub id of a VAE that takes the place of the base's."""


class Pair(NamedTuple):
    """One adapted layer: `path` is its module's path inside `part`, without transformers' `text_model.`."""

    part: Part
    path: str
    down: torch.Tensor
    """A [rank,in]."""
    up: torch.Tensor
    """B [out,rank]."""


@dataclass(frozen=True)
class Lora:
    """What was learned, apart from its base."""

    base: str
    scaling: float
    """alpha / rank"""
    pairs: tuple[Pair, ...]
    vae: str | None


def is_lora(folder: Path) -> bool:
    """Whether a folder holds a LoRA model."""
    try:
        return (folder / CONFIG).is_file()
    except OSError:  # no name for a path, or a folder that may not be looked into
        return False


def read_config(folder: Path) -> LoraConfig:
    """Read `lora.json` and see that the weights are there too. Raises ModelError(unknown_base)."""
    try:
        config = LoraConfig.model_validate_json((folder / CONFIG).read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelError("unknown_base", f"lora.json of {folder.name!r} can't be read.") from error
    if not (folder / WEIGHTS).is_file():
        raise ModelError("unknown_base", f"{folder.name!r} is incomplete: {WEIGHTS} is missing.")
    return config


def read_lora(folder: Path) -> Lora:
    """Read a LoRA model to the CPU. Raises ModelError(unknown_base | lora_mismatch)."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = read_config(folder)
    try:
        weights = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ModelError("unknown_base", f"{WEIGHTS} of {folder.name!r} can't be read.") from error
    pairs = []
    for name in sorted(weights):
        if name.endswith(_DOWN):
            layer = name.removesuffix(_DOWN)
            if layer + _UP not in weights:
                raise ModelError("lora_mismatch", f"{layer} has no {_UP[1:]} in {folder.name!r}.")
            pairs.append(Pair(*_place(layer), weights.pop(name), weights.pop(layer + _UP)))
    if weights or not pairs:
        odd = next(iter(weights), "no layer")
        raise ModelError(
            "lora_mismatch", f"{WEIGHTS} of {folder.name!r} holds {odd}, which is no LoRA layer."
        )
    return Lora(config.base, config.alpha / config.rank, tuple(pairs), config.vae)


def _place(layer: str) -> tuple[Part, str]:
    part, _, path = layer.partition(".")
    if part == "unet":
        return "unet", path
    if part == "text_encoder":
        return "text_encoder", path.removeprefix(_TEXT_LEVEL)
    raise ModelError("lora_mismatch", f"{layer} belongs to no part of a Stable Diffusion model.")


def merge(lora: Lora, parts: Mapping[Part, torch.nn.Module]) -> None:
    """Add the products to the base's weights in place, or raise ModelError(lora_mismatch) and change none."""
    import torch

    weights = [_weight(parts[pair.part], pair) for pair in lora.pairs]
    with torch.no_grad():
        for weight, pair in zip(weights, lora.pairs, strict=True):
            # In single precision, so that a small product isn't lost before it is added.
            up, down = (matrix.to(weight.device, torch.float32) for matrix in (pair.up, pair.down))
            weight.copy_(torch.addmm(weight.float(), up, down, alpha=lora.scaling))


def _weight(part: torch.nn.Module, pair: Pair) -> torch.nn.Parameter:
    try:
        weight = part.get_submodule(pair.path).weight
    except AttributeError as error:
        message = f"The LoRA is for another base: there is no {pair.part}.{pair.path}."
        raise ModelError("lora_mismatch", message) from error
    rank = len(pair.down)
    if tuple(pair.up.shape) != (len(weight), rank) or tuple(pair.down.shape) != (rank, *weight.shape[1:]):
        message = f"The LoRA is for another base: {pair.part}.{pair.path} has another size."
        raise ModelError("lora_mismatch", message)
    return weight
