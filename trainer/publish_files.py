"""Which files of a repository are a publication's: a later one replaces them and leaves all others alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydantic import BaseModel, ValidationError

LIST = "likeness.json"
"""File in a repository that names those which the publication wrote, itself included."""
LORA = "pytorch_lora_weights.safetensors"
"""What diffusers looks for when `load_lora_weights` gets nothing but the repository's name."""
HANDLER = "handler.py"
"""A program of its owner's own, which endpoints run instead of the model."""

_ALWAYS_OURS = re.compile(
    r"model_index\.json|README\.md|(?:unet|vae|text_encoder|tokenizer|scheduler)/.+|samples/\d+\.png"
)
"""A pipeline's folders hold one pipeline, this one: what an old one left there, such as a variant in half
precision, would be loaded in its place."""


def single_files(slug: str) -> frozenset[str]:
    """What publications wrote beside the pipeline before they left a `LIST`."""
    return frozenset({f"{slug}.safetensors", f"{slug}-lora.safetensors"})


class _Written(BaseModel):
    made_with: str = "Likeness"
    files: tuple[str, ...] = ()


def file_list(names: Iterable[str]) -> bytes:
    """The contents of `LIST` for a publication that writes `names` beside it."""
    return _Written(files=tuple(sorted({*names, LIST}))).model_dump_json(indent=2).encode()


def listed(content: bytes | None) -> frozenset[str]:
    """The files that a former publication's `LIST` names; nothing without one, or when it can't be read."""
    try:
        return frozenset(_Written.model_validate_json(content or b"{}").files)
    except ValidationError:
        return frozenset()


def others(there: Iterable[str], written: Iterable[str], former: Iterable[str]) -> tuple[set[str], set[str]]:
    """What is outdated, and what is not ours, among the files that are `there` and not `written` anew.

    `former` are the files that earlier publications wrote beside a pipeline and its samples.
    """
    rest = set(there) - set(written)
    outdated = {name for name in rest if name in set(former) or _ALWAYS_OURS.fullmatch(name)}
    return outdated, rest - outdated
