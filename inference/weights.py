"""The files that hold a model's weights: which of them are read, and whether they are whole. No torch."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from inference.errors import ModelError

PARTS = ("unet", "vae", "text_encoder")
"""The parts of a pipeline that have weights and are always needed."""
CHECKER = "safety_checker"

_STEMS = {"text_encoder": "model", CHECKER: "model"}
_VARIANTS = (None, "fp16")
_OTHER_FORMATS = (".bin", ".ckpt", ".pt", ".msgpack", ".h5")
_POINTER = b"version https://git-lfs"


@dataclass(frozen=True, slots=True)
class PartWeights:
    """The files that a part is loaded from: those in single precision, else those in half."""

    files: tuple[str, ...]
    variant: str | None
    """As diffusers' and transformers' `from_pretrained` call it."""


def part_weights(part: str, names: Collection[str]) -> PartWeights | None:
    """Choose among the names of a part's files; None where no whole set of `.safetensors` is there."""
    stem = _STEMS.get(part, "diffusion_pytorch_model")
    for variant in _VARIANTS:
        dotted = f".{variant}" if variant else ""
        single = f"{stem}{dotted}.safetensors"
        if single in names:
            return PartWeights((single,), variant)
        if f"{stem}.safetensors.index{dotted}.json" in names:
            # Both places of the variant are in use, before the shard's number and after it.
            pattern = re.compile(
                rf"{stem}(?:{re.escape(dotted)})?-(\d+)-of-(\d+)(?:{re.escape(dotted)})?\.safetensors"
            )
            shards = {name: found for name in sorted(names) if (found := pattern.fullmatch(name))}
            if shards and len(shards) == int(next(iter(shards.values()))[2]):
                return PartWeights(tuple(shards), variant)
    return None


def weights_in(folder: Path, part: str) -> PartWeights | None:
    """`part_weights` of a pipeline's folder."""
    return part_weights(part, names_of(_paths(folder), part))


def check_paths(paths: Collection[str], title: str) -> Mapping[str, PartWeights]:
    """The weights of each of `PARTS` among a model's files, by paths such as `unet/config.json`.

    Raises ModelError(base_incomplete), which says what is missing.
    """
    chosen, missing = {}, []
    for part in PARTS:
        names = names_of(paths, part)
        found = part_weights(part, names)
        if found:
            chosen[part] = found
        elif any(name.endswith(".safetensors") for name in names):
            missing.append(f"{part} (some of its .safetensors files)")
        elif others := sorted(name for name in names if name.endswith(_OTHER_FORMATS)):
            missing.append(f"{part} (it has only {others[0]}; save it as .safetensors)")
        else:
            missing.append(part)
    if missing:
        raise ModelError("base_incomplete", f"{title!r} lacks usable weights of: {', '.join(missing)}.")
    words = names_of(paths, "tokenizer")
    if "tokenizer.json" not in words and not {"vocab.json", "merges.txt"} <= words:
        raise ModelError("base_incomplete", f"{title!r} is incomplete: its tokenizer has no vocabulary.")
    return chosen


def check_weights(folder: Path, title: str) -> None:
    """As `check_paths` for a folder, whose weights must be whole, too."""
    for part, weights in check_paths(_paths(folder), title).items():
        for name in weights.files:
            check_whole(folder / part / name, f"{part}/{name} of {title!r}")


def check_whole(file: Path, title: str) -> None:
    """Raise ModelError(base_incomplete) unless a `.safetensors` file is as long as its own header says."""
    try:
        with safe_open(file, framework="np") as opened:
            if opened.keys():
                return
    except (OSError, SafetensorError) as error:
        if _is_pointer(file):
            raise ModelError(
                "base_incomplete",
                f"{title} is a Git LFS pointer in place of the weights: run `git lfs pull` in its folder.",
            ) from error
        raise ModelError("base_incomplete", f"{title} is cut off or damaged: fetch it again.") from error
    raise ModelError("base_incomplete", f"{title} holds no weights.")


def _is_pointer(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(len(_POINTER)) == _POINTER
    except OSError:
        return False


def _paths(folder: Path) -> frozenset[str]:
    return frozenset(str(path.relative_to(folder)) for path in folder.glob("*/*"))


def names_of(paths: Collection[str], part: str) -> frozenset[str]:
    """The names of a part's files among the paths of a model's."""
    return frozenset(path.removeprefix(f"{part}/") for path in paths if path.startswith(f"{part}/"))
