"""All files of a publication, made and checked on this machine before the Hub hears of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from pydantic import BaseModel

from data.disk import replacing
from inference.errors import ModelError
from inference.lora import is_lora
from inference.weights import PARTS, weights_in
from trainer.export import export, open_model, write_folder
from trainer.export_files import Spec, Weights, finite, is_finite, weight_files
from trainer.publish_card import Facts, model_card
from trainer.publish_files import LIST, LORA, file_list

Emit = Callable[[BaseModel], None]


def staged(
    model: Path, repo: str, facts: Facts, stage: Path, *, single_file: bool, emit: Emit
) -> dict[str, Path]:
    """Make in folder `stage` what isn't there yet; returns path in the repository -> file.

    Raises ModelError: base_incomplete, bad_file, half_overflow, unknown_base, unsupported_architecture,
    lora_mismatch, disk_full; OSError.
    """
    newest = max((file.stat().st_mtime for file in model.rglob("*.safetensors")), default=0.0)
    files: dict[str, Path] = {}
    folder, weights = open_model(str(model))
    checked = _Checked(weights)
    if folder == model and _is_plain(model):
        pipeline = model
        for name in checked.specs():
            checked.read(name)
    else:
        pipeline = stage / "pipeline"
        if not _fresh(pipeline, newest):
            write_folder(checked, folder, pipeline, emit)
    if is_lora(model):
        export(str(model), "lora", stage / LORA, half=True, emit=lambda _: None)
        files[LORA] = stage / LORA
    files |= _pipeline_files(pipeline)
    files |= {f"samples/{number}.png": sample.path for number, sample in enumerate(facts.samples)}
    for file in files.values():
        if not file.is_file():
            raise ModelError("bad_file", f"{file.name} of this model is missing.")
    if single_file:
        single = f"{facts.slug}.safetensors"
        if not _fresh(stage / single, newest):
            export(str(pipeline), "safetensors", stage / single, half=True, emit=emit)
        files[single] = stage / single
    names = {*files, "README.md"}
    _write(stage / "README.md", model_card(facts, repo, names).encode())
    _write(stage / LIST, file_list(names))
    return files | {"README.md": stage / "README.md", LIST: stage / LIST}


class _Checked:
    """Weights that are looked at as they are read: half precision, as most will load them, must hold them."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def specs(self) -> Mapping[str, Spec]:
        """The same."""
        return self._weights.specs()

    def read(self, name: str) -> torch.Tensor:
        """The same. Raises ModelError(bad_file | half_overflow)."""
        tensor = finite(name, self._weights.read(name))
        if tensor.is_floating_point() and not is_finite(tensor.half()):
            raise ModelError(
                "half_overflow",
                f"{name} has values too large for half precision, in which most people load a published "
                "model; export it without --half instead.",
            )
        return tensor


def _is_plain(folder: Path) -> bool:
    """Whether loaders find a pipeline's weights who aren't told of a variant, nor of several files."""
    parts = [weights_in(folder, part) for part in PARTS]
    return all(part and part.variant is None and len(part.files) == 1 for part in parts)


def _fresh(made: Path, newest: float) -> bool:
    """Whether an earlier try made this from the weights that are there now."""
    return made.exists() and made.stat().st_mtime >= newest


def _pipeline_files(folder: Path) -> dict[str, Path]:
    """What loads as a diffusers pipeline, and nothing else that may lie there."""
    files = [folder / "model_index.json"]
    for part in PARTS:
        files += [folder / part / "config.json", *weight_files(folder / part)]
    for part, needed in (("tokenizer", "tokenizer_config.json"), ("scheduler", "scheduler_config.json")):
        beside = sorted((folder / part).glob("*.json")) + sorted((folder / part).glob("*.txt"))
        files += beside if folder / part / needed in beside else [folder / part / needed]
    return {file.relative_to(folder).as_posix(): file for file in files}


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as file:
        file.write(content)
