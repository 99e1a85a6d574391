"""Finds a pipeline's parts in a file, under all the names that tools give them.

Whatever stands before a part's names (`state_dict.`, `module.`, `cond_stage_model.transformer.`) is read off
one tensor that every such part has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from trainer.export_names import Config, Entry, entries

Part = str
_EMA_STEM = "diffusion_model."
"""What the name of an averaged weight begins with, after `model_ema.`; then all dots were taken out."""


def find_parts(
    names: Collection[str], wanted: Collection[str], unet: Config, vae: Config
) -> dict[Part, list[Entry]]:
    """For each part that is there, its tensors: their names in the file, and the names in `wanted`.

    `wanted` are a pipeline's names in diffusers' layout, `unet` and `vae` its configurations. Averaged
    weights are taken where there are no others.
    """
    found = {}
    for part, marker, spelled in _SPELLINGS:
        prefix = None if part in found else _prefix(names, marker)
        if prefix is not None:
            own = [name for name in wanted if name.startswith(f"{part}.")]
            found[part] = [replace(entry, name=prefix + entry.name) for entry in spelled(own, unet, vae)]
    return found


def _prefix(names: Iterable[str], marker: str) -> str | None:
    """What stands before `marker`'s name; the shortest, and none of averaged weights if there is another."""
    prefixes = (name.removesuffix(marker) for name in names if name.endswith(marker))
    usable = [prefix for prefix in prefixes if prefix[-1:] in ("", ".") and "visual." not in prefix]
    return min(usable, key=lambda prefix: ("ema" in prefix, len(prefix)), default=None)


def _original(root: str, text: Config | None = None) -> Callable[[list[str], Config, Config], list[Entry]]:
    """Stable Diffusion's original names below `root`."""

    def spelled(own: list[str], unet: Config, vae: Config) -> list[Entry]:
        plan = entries(own, unet, vae, text or {})
        return [replace(entry, name=entry.name.removeprefix(root)) for entry in plan]

    return spelled


def _averaged(own: list[str], unet: Config, vae: Config) -> list[Entry]:
    original = _original("model.diffusion_model.")(own, unet, vae)
    return [replace(entry, name=(_EMA_STEM + entry.name).replace(".", "")) for entry in original]


def _diffusers(own: list[str], *_: Config) -> list[Entry]:
    return [Entry(name.partition(".")[2], (name,)) for name in own]


_OPENCLIP: Mapping[str, str] = {"hidden_act": "gelu"}
_SPELLINGS = (
    ("unet", "input_blocks.0.0.weight", _original("model.diffusion_model.")),
    ("unet", "time_embedding.linear_1.weight", _diffusers),
    ("unet", "diffusion_modelinput_blocks00weight", _averaged),
    ("vae", "decoder.mid.block_1.norm1.weight", _original("first_stage_model.")),
    ("vae", "decoder.mid_block.resnets.0.norm1.weight", _diffusers),
    (
        "text_encoder",
        "embeddings.position_embedding.weight",
        _original("cond_stage_model.transformer.text_model."),
    ),
    ("text_encoder", "positional_embedding", _original("cond_stage_model.model.", _OPENCLIP)),
)
"""Part, a tensor that it always has, and how its names are spelled. The first that is there counts."""
