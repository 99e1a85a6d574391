"""A model as one file in Stable Diffusion's original format (lesson step 8).

Tensor by tensor: a `.safetensors` file needs room for one tensor, a `.ckpt` for the model once, because its
index comes before the data and knows them all.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel

from data.disk import nearest, replacing, replacing_folder
from inference.bases import locate, locate_vae
from inference.errors import ModelError
from trainer.export_files import (
    PipelineFolder,
    Spec,
    Weights,
    finite,
    is_finite,
    safetensors_header,
    write_tensors,
)
from trainer.export_lora import Merged, adapter_of, lora_file
from trainer.export_names import METADATA, Entry, entries, prediction_metadata
from trainer.handover import Exported, Format, Moved

Emit = Callable[[BaseModel], None]
SUFFIXES: Mapping[Format, str] = {"safetensors": ".safetensors", "ckpt": ".ckpt", "lora": ".safetensors"}
_PARTS = ("unet", "vae", "text_encoder")
_SCHEDULER = ("scheduler", "scheduler_config.json")


def export(model: str, kind: Format, out: Path, *, half: bool, emit: Emit) -> Exported:
    """Write a base, a trained model or an adapter as one file; `out` is replaced once the new one is whole.

    Raises ModelError: unknown_base, unsupported_architecture, no_adapter, bad_file, bad_out, disk_full,
    half_overflow; OSError.
    """
    _check_out(out, SUFFIXES[kind])
    adapter = adapter_of(model)
    if kind == "lora":
        if adapter is None:
            raise ModelError(
                "no_adapter",
                "This model was trained in full, so there is no LoRA to take out of it. Train it with the "
                "method lora, or export it as safetensors.",
            )
        specs, tensors, metadata = lora_file(adapter, half)
        _write_safetensors(out, specs, tensors, metadata, emit)
    else:
        folder, weights = open_model(model)
        plan = _plan(folder, weights)
        specs = [_spec(entry, weights, half) for entry in plan]
        tensors = (_tensor(entry, weights, half) for entry in plan)
        if kind == "safetensors":
            _write_safetensors(out, specs, tensors, _metadata(folder), emit)
        else:
            _write_checkpoint(out, specs, tensors, _metadata(folder), emit)
    return Exported(path=str(out), size_bytes=out.stat().st_size)


def open_model(model: str) -> tuple[Path, Weights]:
    """The folder with a model's configuration, and its weights; an adapter is merged as they are read."""
    adapter = adapter_of(model)
    if adapter is None:
        folder = locate(model)
        return folder, PipelineFolder(folder)
    folder = locate(adapter.base)
    vae = locate_vae(adapter.vae) if adapter.vae else None
    return folder, Merged(PipelineFolder(folder, vae), adapter)


def write_folder(
    weights: Weights, configs: Path, out: Path, emit: Emit, prediction: str | None = None
) -> None:
    """Write weights as a pipeline in diffusers layout, with the configuration and tokenizer of `configs`.

    `prediction` says how the UNet's output is to be read, where that is another way than there. Raises
    ModelError(bad_file | disk_full); OSError.
    """
    specs = weights.specs()
    progress = Progress(emit, sum(spec.nbytes for spec in specs.values()))
    _check_space(out, progress.total)
    with replacing_folder(out) as incoming:
        _copy_configs(configs, incoming)
        if prediction is not None:
            scheduler = config_of(configs, *_SCHEDULER) | {"prediction_type": prediction}
            incoming.joinpath(*_SCHEDULER).write_text(json.dumps(scheduler, indent=2) + "\n")
        for part in _PARTS:
            names = sorted(name for name in specs if name.startswith(f"{part}."))
            header = [Spec(name.partition(".")[2], specs[name].shape, specs[name].dtype) for name in names]
            file = "model" if part == "text_encoder" else "diffusion_pytorch_model"
            with (incoming / part / f"{file}.safetensors").open("wb") as handle:
                handle.write(safetensors_header(header, {"format": "pt"}))
                write_tensors(handle, progress.over(finite(name, weights.read(name)) for name in names))


class Progress:
    """Tells how many bytes went by, once for each percent."""

    def __init__(self, emit: Emit, total: int) -> None:
        self.total = total
        self._emit = emit
        self._done = 0
        self._told = -1

    def over(self, tensors: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
        """The same tensors; each counts once the next is asked for."""
        for tensor in tensors:
            yield tensor
            self._done += tensor.nbytes
            percent = 100 * self._done // max(self.total, 1)
            if percent > self._told:
                self._told = percent
                self._emit(Moved(stage="write", done=self._done, total=self.total))


def _write_safetensors(
    out: Path, specs: Sequence[Spec], tensors: Iterator[torch.Tensor], metadata: Mapping[str, str], emit: Emit
) -> None:
    progress = Progress(emit, sum(spec.nbytes for spec in specs))
    _check_space(out, progress.total)
    with replacing(out) as file:
        file.write(safetensors_header(specs, metadata))
        write_tensors(file, progress.over(tensors))


def _write_checkpoint(
    out: Path, specs: Sequence[Spec], tensors: Iterator[torch.Tensor], metadata: Mapping[str, str], emit: Emit
) -> None:
    progress = Progress(emit, sum(spec.nbytes for spec in specs))
    _check_space(out, progress.total)
    names = [spec.name for spec in specs]
    state = dict(zip(names, progress.over(tensors), strict=True))
    with replacing(out) as file:
        torch.save({"state_dict": state, METADATA: dict(metadata)}, file)


def _plan(folder: Path, weights: Weights) -> list[Entry]:
    return entries(weights.specs(), *(config_of(folder, part) for part in _PARTS))


def _spec(entry: Entry, weights: Weights, half: bool) -> Spec:
    sources = [weights.specs()[source] for source in entry.sources]
    first = sources[0]
    shape = (sum(source.shape[0] for source in sources), *first.shape[1:])
    if entry.as_convolution and len(shape) == 2:
        shape = (*shape, 1, 1)
    return Spec(entry.name, shape, torch.float16 if half and first.dtype.is_floating_point else first.dtype)


def _tensor(entry: Entry, weights: Weights, half: bool) -> torch.Tensor:
    spec = _spec(entry, weights, half)
    tensors = [finite(source, weights.read(source)) for source in entry.sources]
    tensor = tensors[0] if len(tensors) == 1 else torch.cat(tensors)
    converted = tensor.reshape(spec.shape).to(spec.dtype)
    if half and not is_finite(converted):
        raise ModelError(
            "half_overflow", f"{entry.name} has values too large for half precision; export without --half."
        )
    return converted


def _metadata(folder: Path) -> dict[str, str]:
    prediction = config_of(folder, *_SCHEDULER).get("prediction_type", "epsilon")
    return {"format": "pt"} | prediction_metadata(prediction)


def config_of(folder: Path, part: str, file: str = "config.json") -> dict[str, Any]:
    """The configuration of one part of a pipeline. Raises ModelError(unknown_base)."""
    try:
        config: dict[str, Any] = json.loads((folder / part / file).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError("unknown_base", f"{part}/{file} of {folder.name} can't be read.") from error
    return config


def _copy_configs(source: Path, target: Path) -> None:
    """Everything of a pipeline's folder but its weights, complete for older loaders too."""
    index = config_of(source, ".", "model_index.json")
    kept = {
        name: value for name, value in index.items() if name not in ("safety_checker", "feature_extractor")
    }
    for part in (*_PARTS, "scheduler", "tokenizer"):
        shutil.copytree(
            source / part,
            target / part,
            ignore=lambda folder, names: [name for name in names if not _is_configuration(name)],
        )
    if not (target / "tokenizer" / "vocab.json").exists():
        # It brings transformers and diffusers along, which take seconds that few models need.
        from inference.layout import write_bpe_files

        write_bpe_files(target / "tokenizer")
    # transformers loads the text encoder in the type that its configuration names; the rest comes in single.
    encoder = config_of(source, "text_encoder") | {"dtype": "float32"}
    (target / "text_encoder" / "config.json").write_text(json.dumps(encoder, indent=2) + "\n")
    none = {
        "safety_checker": [None, None],
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
    }
    (target / "model_index.json").write_text(json.dumps(kept | none, indent=2) + "\n")


def _is_configuration(name: str) -> bool:
    """Not so the index of weights in several files, which loaders would look for."""
    return name.endswith((".json", ".txt")) and ".safetensors.index." not in name


def _check_out(out: Path, suffix: str) -> None:
    if out.suffix != suffix:
        raise ModelError("bad_out", f"The name of such a file has to end in {suffix}.")
    if not out.parent.is_dir():
        raise ModelError("bad_out", f"There is no folder {out.parent}.")


def _check_space(out: Path, needed: int) -> None:
    """Say that the disk is too full before it is filled."""
    if shutil.disk_usage(nearest(out.parent)).free < needed:
        raise ModelError("disk_full", f"The disk has too little room: this needs {needed / 2**30:.1f} GiB.")
