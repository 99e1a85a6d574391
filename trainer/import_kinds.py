"""Tells by the names of a file's tensors what it is, where it is no model that can be imported."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from inference.errors import ModelError
from trainer.export_files import Spec

_ANOTHER = "Likeness works with Stable Diffusion 1.x and 2.x; choose a model of those"
_NOT_ALONE = "Import a whole model"

_FOREIGN: tuple[tuple[str, str], ...] = (
    (r"\b(control_model|controlnet_\w+|input_hint_block|zero_convs|adapter\.body)\.",
     f"a ControlNet or another adapter for guiding a model. {_NOT_ALONE}"),
    (r"\bip_adapter\b|^image_proj\.", f"an IP-Adapter. {_NOT_ALONE}"),
    (r"string_to_param|^emb_params$|^clip_[lg]$", f"a textual-inversion embedding: one word. {_NOT_ALONE}"),
    (r"\bmotion_modules\.", f"a motion module of AnimateDiff. {_NOT_ALONE}"),
    (r"\bjoint_blocks\.", f"a Stable Diffusion 3 model. {_ANOTHER}"),
    (r"\bconditioner\.embedders\.1\.|\blabel_emb\.0\.0\.|\badd_embedding\.", f"an SDXL model. {_ANOTHER}"),
    (r"\bdouble_blocks\.|\bsingle_transformer_blocks\.", f"a FLUX model. {_ANOTHER}"),
    (r"\bcap_embedder\.|\bnoise_refiner\.", f"a Z-Image or Lumina model. {_ANOTHER}"),
    (r"\bpos_embed\.|\badaln_single\.|\bx_embedder\.|^(model\.diffusion_model\.)?patch_embedding\.",
     f"a diffusion transformer. {_ANOTHER}"),
    (r"\bscaled_fp8$|\.(scale_weight|weight_scale|scale_input)$|\.(absmax|quant_map|qweight|qzeros)\b",
     "a model with quantised weights. Look for the same model in half or single precision"),
    (r"\bconv_first\.|\bRRDB_trunk\.|^(\w+\.)?model\.1\.sub\.|\blayers\.0\.residual_group\.",
     f"an upscaler. {_NOT_ALONE}"),
)  # fmt: skip
"""A part of a tensor's name that only this kind of file has, and what to say."""

_ALONE: tuple[tuple[str, str], ...] = (
    (r"\bdecoder\.mid(_block)?\.",
     "a VAE alone. To train with it, give its folder in diffusers layout to `train --vae`"),
    (r"\bSelfAttention\.|\btoken_embedding\.weight$|\bpositional_embedding$|\bvision_model\.",
     f"a text or picture encoder alone. {_NOT_ALONE}"),
)  # fmt: skip
"""The same for what is a part of a whole model, too."""

_CHANNELS = {
    4: "another kind of Stable Diffusion",
    5: "a Stable Diffusion model that looks at depth",
    7: "a Stable Diffusion upscaler",
    8: "an InstructPix2Pix model",
    9: "an inpainting model",
}
_FAMILIES = {
    768: "a Stable Diffusion 1.x model: import it with --base sd15",
    1024: "a Stable Diffusion 2.x model: import it with --base sd21-base, or sd21 if it draws 768 pixels",
}
"""Width of what the text encoder says, and the bases of that width."""


def check_foreign(file: str, names: Collection[str]) -> None:
    """Raise ModelError(bad_file) where a file is something else than a model."""
    if not names:
        raise ModelError("bad_file", f"{file} holds no weights.")
    _refuse(file, names, _FOREIGN)
    if not any(len(name) > 20 for name in names) and len(names) <= 2:
        raise ModelError("bad_file", f"{file} is a textual-inversion embedding: one word. {_NOT_ALONE}.")


def no_model(file: str, names: Collection[str]) -> ModelError:
    """What to say of a file without a UNet."""
    try:
        _refuse(file, names, _ALONE)
    except ModelError as error:
        return error
    return ModelError("bad_file", f"{file} holds no Stable Diffusion model, or one under unknown names.")


def check_family(file: str, found: Mapping[str, Spec], base: Mapping[str, Spec], base_name: str) -> None:
    """Raise ModelError(bad_file) where the UNet is of another kind than the base's.

    `found` are the file's tensors under the names of `base`.
    """
    stem = "unet.conv_in.weight"
    if stem in found and found[stem].shape[1:2] != base[stem].shape[1:2]:
        channels = found[stem].shape[1]
        what = _CHANNELS.get(channels, "a model of another kind")
        raise ModelError(
            "bad_file", f"{file} is {what} (its UNet takes {channels} channels). {_ANOTHER}, with 4 channels."
        )
    context = next(name for name in base if name.endswith(".attn2.to_k.weight"))
    if context in found and found[context].shape[-1:] != base[context].shape[-1:]:
        width = found[context].shape[-1]
        what = _FAMILIES.get(width, f"of another architecture than {base_name}. {_ANOTHER}")
        raise ModelError("bad_file", f"{file} is {what}.")


def _refuse(file: str, names: Collection[str], kinds: tuple[tuple[str, str], ...]) -> None:
    for pattern, what in kinds:
        if any(re.search(pattern, name) for name in names):
            raise ModelError("bad_file", f"{file} is {what}.")
