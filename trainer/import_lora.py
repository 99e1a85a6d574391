"""LoRA files of other tools (names of kohya, diffusers and peft) as changes of a base's weights."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping

import torch

from inference.errors import ModelError
from trainer.export_files import Spec, Weights, finite
from trainer.export_lora import Adapter

_LORA = re.compile(r"lora_|[._]lora\.|\bhada_|\blokr_|\boft_|\bdora_scale$|\bdiff$")
_MATRIX = re.compile(
    r"(?P<module>.+?)(?:\.lora_|[._]lora\.|\.lora_linear_layer\.)"
    r"(?P<side>down|up|A|B)(?:\.default)?\.weight"
)
_PARTS = ("unet", "text_encoder")
_OTHER_SCALES = ("use_rslora", "alpha_pattern")
_SIDES = {"down": 0, "A": 0, "up": 1, "B": 1}


def is_lora_file(names: Collection[str]) -> bool:
    """Whether a file holds changes of a model, and no model."""
    return any(_LORA.search(name) for name in names)


def read_lora_file(
    name: str, weights: Weights, metadata: Mapping[str, str], base: str, wanted: Mapping[str, Spec]
) -> Adapter:
    """The file's products, for a base whose tensors are `wanted`.

    Each has a scale of its own, which goes into its second matrix. Raises ModelError(bad_file |
    lora_mismatch).
    """
    modules = {_squeezed(tensor.removesuffix(".weight")): tensor.removesuffix(".weight") for tensor in wanted}
    halves: dict[str, dict[int, torch.Tensor]] = {}
    alphas: dict[str, float] = {}
    for tensor, spec in weights.specs().items():
        match = _MATRIX.fullmatch(tensor)
        if match and len(spec.shape) > 1:
            value = finite(tensor, weights.read(tensor)).float().flatten(1)
            halves.setdefault(_squeezed(match["module"]), {})[_SIDES[match["side"]]] = value
        elif tensor.endswith(".alpha") and math.prod(spec.shape) == 1:
            alphas[_squeezed(tensor.removesuffix(".alpha"))] = float(finite(tensor, weights.read(tensor)))
        else:
            raise ModelError(
                "bad_file",
                f"{name} is a LoRA of a kind that Likeness can't read (LyCORIS or DoRA: it holds {tensor}). "
                "Merge it into its base with the tool that made it, and import the whole model.",
            )
    of_part = _alphas(name, metadata)
    pairs = {}
    for key, pair in halves.items():
        if key not in modules or len(pair) != 2 or not 0 < len(pair[0]) == pair[1].shape[1]:
            raise ModelError(
                "lora_mismatch", f"{name} is a LoRA for another kind of model than {base}: {key} isn't there."
            )
        module, rank = modules[key], len(pair[0])
        alpha = alphas.get(key, of_part.get(module.partition(".")[0], rank))
        pairs[module] = (pair[0], pair[1] * (alpha / rank))
    return Adapter(base=base, rank=1, alpha=1.0, pairs=pairs, vae=None)


def _alphas(name: str, metadata: Mapping[str, str]) -> dict[str, float]:
    """The alpha of all products in a part, where diffusers' metadata say it. Raises ModelError(bad_file)."""
    try:
        said = json.loads(metadata.get("lora_adapter_metadata", "{}"))
        odd = any(said.get(f"{part}.{scale}") for part in _PARTS for scale in _OTHER_SCALES)
        alphas = {part: float(said[f"{part}.lora_alpha"]) for part in _PARTS if f"{part}.lora_alpha" in said}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            "bad_file",
            f"What {name} says of its scales can't be read: it is damaged. Download or copy it again.",
        ) from error
    if odd:
        raise ModelError(
            "bad_file",
            f"{name} is a LoRA with other scales than alpha / rank (rsLoRA, or one for each layer). "
            "Merge it into its base with the tool that made it, and import the whole model.",
        )
    return alphas


def _squeezed(module: str) -> str:
    """A module's name as it is the same in all spellings: kohya's have no dots."""
    flat = module.removeprefix("base_model.model.").replace(".", "_").removeprefix("lora_")
    flat = re.sub(r"^(te1?|text_encoder)_(text_model_)?", "text_encoder_", flat)
    flat = re.sub(r"^(?=down_blocks_|mid_block_|up_blocks_)", "unet_", flat)
    # Early diffusers kept them in a processor of the attention.
    return re.sub(r"_processor_to_out$", "_to_out_0", flat).replace("_processor_to_", "_to_")
