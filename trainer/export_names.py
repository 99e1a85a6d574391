"""The names of Stable Diffusion's original single-file format, worked out from a model's own configuration.

Source: the `UNetModel`, `AutoencoderKL` and text encoders of CompVis/latent-diffusion and its successors. A
diffusers name starts with its part here: `unet.`, `vae.` or `text_encoder.`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from inference.errors import ModelError

Config = Mapping[str, Any]
METADATA = "metadata"
"""In a `.ckpt`, where what a `.safetensors` has in its header stands beside the weights."""

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_MODULE = {"resnets": 0, "attentions": 1}
"""Place of a module within its block of the original UNet."""

_UNET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
# Both the names of today's diffusers and those from before its attention classes were merged.
_VAE_ATTENTION = {
    "group_norm": "norm",
    "to_q": "q", "query": "q",
    "to_k": "k", "key": "k",
    "to_v": "v", "value": "v",
    "to_out.0": "proj_out", "proj_attn": "proj_out",
}  # fmt: skip
_OPENCLIP_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_OPENCLIP_ENDS = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of the original file: `sources`, in diffusers' names, joined along their first dimension."""

    name: str
    sources: tuple[str, ...]
    as_convolution: bool = False
    """Whether a matrix [out,in] is kept as a convolution's kernel [out,in,1,1]."""


def entries(names: Iterable[str], unet: Config, vae: Config, text_encoder: Config) -> list[Entry]:
    """The original file's tensors for a pipeline whose weights have `names`, in the order of their names.

    Raises ModelError(unsupported_architecture) for what the original layout can't express.
    """
    found: dict[str, dict[str, str]] = {}
    convolutions = set()
    openclip = is_openclip(text_encoder)
    for name in names:
        part, _, rest = name.partition(".")
        if rest.endswith("position_ids"):  # a constant that older text encoders saved: 0, 1, 2 and so on
            continue
        order = ""
        if part == "unet":
            original = f"model.diffusion_model.{_unet(rest, unet)}"
        elif part == "vae":
            original = f"first_stage_model.{_vae(rest, vae)}"
            if re.search(r"\.attn_1\.(q|k|v|proj_out)\.weight$", original):
                convolutions.add(original)
        elif openclip:
            text, order = _openclip(rest.removeprefix("text_model."))
            original = f"cond_stage_model.model.{text}"
        else:
            original = f"cond_stage_model.transformer.text_model.{rest.removeprefix('text_model.')}"
        found.setdefault(original, {})[order] = name
    return [
        Entry(original, tuple(parts[order] for order in sorted(parts)), original in convolutions)
        for original, parts in sorted(found.items())
    ]


def prediction_metadata(prediction: str) -> dict[str, str]:
    """How the UNet's output is to be read, which tensors don't show (github.com/Stability-AI/ModelSpec)."""
    return {"modelspec.prediction_type": "v" if prediction == "v_prediction" else prediction}


def is_openclip(text_encoder: Config) -> bool:
    """Whether a text encoder is OpenCLIP's (Stable Diffusion 2.x), with names of its own in the original."""
    return text_encoder.get("hidden_act") == "gelu"


def _unet(name: str, config: Config) -> str:
    path, _, leaf = name.rpartition(".")
    if path in _UNET_ENDS:
        return f"{_UNET_ENDS[path]}.{leaf}"
    layers = config["layers_per_block"]
    if not isinstance(layers, int):
        raise _inexpressible(name)
    match = re.fullmatch(r"(down_blocks|up_blocks)\.(\d+)\.(resnets|attentions)\.(\d+)\.(.+)", name)
    if match:
        side, block, kind, number = match[1], int(match[2]), match[3], int(match[4])
        start = "input_blocks" if side == "down_blocks" else "output_blocks"
        # The first input block is conv_in; each later one is a resnet with its attention, or a downsampler.
        place = block * (layers + 1) + number + (side == "down_blocks")
        return f"{start}.{place}.{_MODULE[kind]}.{_inner(kind, match[5])}"
    match = re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)", name)
    if match:
        return f"middle_block.{2 * int(match[2]) + _MODULE[match[1]]}.{_inner(match[1], match[3])}"
    match = re.fullmatch(r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.(.+)", name)
    if match:
        return f"input_blocks.{(int(match[1]) + 1) * (layers + 1)}.0.op.{match[2]}"
    match = re.fullmatch(r"up_blocks\.(\d+)\.upsamplers\.0\.conv\.(.+)", name)
    if match:
        block = int(match[1])
        after_attention = "Attn" in config["up_block_types"][block]
        return f"output_blocks.{block * (layers + 1) + layers}.{1 + after_attention}.conv.{match[2]}"
    raise _inexpressible(name)


def _inner(kind: str, rest: str) -> str:
    """Within a resnet or an attention module of the UNet; the latter's names are the same in both."""
    if kind == "attentions":
        return rest
    path, _, leaf = rest.rpartition(".")
    if path not in _RESNET:
        raise _inexpressible(rest)
    return f"{_RESNET[path]}.{leaf}"


def _vae(name: str, config: Config) -> str:
    name = name.replace(".conv_shortcut.", ".nin_shortcut.").replace(".conv_norm_out.", ".norm_out.")
    match = re.fullmatch(r"(encoder|decoder)\.mid_block\.attentions\.0\.(.+)\.(weight|bias)", name)
    if match and match[2] in _VAE_ATTENTION:
        return f"{match[1]}.mid.attn_1.{_VAE_ATTENTION[match[2]]}.{match[3]}"
    match = re.fullmatch(r"(encoder|decoder)\.mid_block\.resnets\.(\d+)\.(.+)", name)
    if match:
        return f"{match[1]}.mid.block_{int(match[2]) + 1}.{match[3]}"
    match = re.fullmatch(r"encoder\.down_blocks\.(\d+)\.(resnets|downsamplers)\.(\d+)\.(.+)", name)
    if match:
        inner = f"block.{match[3]}" if match[2] == "resnets" else "downsample"
        return f"encoder.down.{match[1]}.{inner}.{match[4]}"
    match = re.fullmatch(r"decoder\.up_blocks\.(\d+)\.(resnets|upsamplers)\.(\d+)\.(.+)", name)
    if match:
        # The original counts the decoder's blocks from the picture's end.
        block = len(config["up_block_types"]) - 1 - int(match[1])
        inner = f"block.{match[3]}" if match[2] == "resnets" else "upsample"
        return f"decoder.up.{block}.{inner}.{match[4]}"
    if re.fullmatch(
        r"((encoder|decoder)\.(conv_in|conv_out|norm_out)|(post_)?quant_conv)\.(weight|bias)", name
    ):
        return name
    raise _inexpressible(name)


def _openclip(name: str) -> tuple[str, str]:
    """Original name, and the place among the tensors that are joined under it."""
    if name in _OPENCLIP_ENDS:
        return _OPENCLIP_ENDS[name], ""
    match = re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)", name)
    if match:
        block = f"transformer.resblocks.{match[1]}"
        if match[2] in _OPENCLIP_LAYER:
            return f"{block}.{_OPENCLIP_LAYER[match[2]]}.{match[3]}", ""
        joined = re.fullmatch(r"self_attn\.([qkv])_proj", match[2])
        if joined:
            return f"{block}.attn.in_proj_{match[3]}", f"{'qkv'.index(joined[1])}"
    raise _inexpressible(name)


def _inexpressible(name: str) -> ModelError:
    return ModelError(
        "unsupported_architecture", f"The original file format has no place for this model's {name}."
    )
