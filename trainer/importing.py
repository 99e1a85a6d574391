"""Models of other tools, as folders in diffusers layout that can be trained and drawn with."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

import torch

from inference.errors import ModelError
from trainer.export import Emit, config_of, open_model, write_folder
from trainer.export_files import EIGHT_BITS, Spec, Weights
from trainer.export_lora import Merged
from trainer.export_names import Entry
from trainer.handover import Exported
from trainer.import_files import open_weights
from trainer.import_kinds import check_family, check_foreign, no_model
from trainer.import_lora import is_lora_file, read_lora_file
from trainer.import_names import find_parts

_log = logging.getLogger(__name__)

_PARTS = {"unet": "UNet", "vae": "VAE", "text_encoder": "text encoder"}
_PREDICTIONS = {"v": "v_prediction", "v_prediction": "v_prediction", "epsilon": "epsilon", "eps": "epsilon"}


def import_file(file: Path, base: str, out: Path, *, emit: Emit) -> Exported:
    """Turn a file of weights into a folder in diffusers layout, shaped and configured like `base`.

    A LoRA is merged into `base`; parts that the file lacks are the base's. A folder in diffusers layout keeps
    its own configuration. Raises ModelError: unknown_base, unsupported_architecture, bad_file (damaged, or
    something else), lora_mismatch, bad_out, disk_full; OSError. Code in a file is never run.
    """
    if out.exists():
        raise ModelError("bad_out", f"{out.name} exists already.")
    prediction = None
    if file.is_dir():
        folder, weights = open_model(str(file.absolute()))  # never the base of that name
    elif file.is_file():
        original = open_weights(file)
        folder, reference = open_model(base)
        if is_lora_file(original.specs()):
            adapter = read_lora_file(file.name, original, original.metadata, base, reference.specs())
            weights = Merged(reference, adapter)
        else:
            weights = _whole(file.name, original, base, folder, reference)
            prediction = _prediction(original.metadata, original.specs())
    else:
        raise ModelError("bad_file", f"There is no file {file.name}.")
    write_folder(weights, folder, out, emit, prediction)
    return Exported(path=str(out), size_bytes=sum(spec.nbytes for spec in weights.specs().values()))


def _whole(file: str, original: Weights, base: str, folder: Path, reference: Weights) -> Imported:
    """The pipeline of a file that holds a model. Raises ModelError(bad_file)."""
    there, wanted = original.specs(), reference.specs()
    check_foreign(file, there)
    configs = (config_of(folder, part) for part in ("unet", "vae"))
    parts = find_parts(there, [name for name in wanted if not name.endswith("position_ids")], *configs)
    if "unet" not in parts:
        raise no_model(file, there)
    plan = [entry for entries in parts.values() for entry in entries]
    single = {entry.sources[0]: entry.name for entry in plan if len(entry.sources) == 1}
    check_family(file, {name: there[own] for name, own in single.items() if own in there}, wanted, base)
    for part, title in _PARTS.items():
        if part not in parts:
            _log.info("%s holds no %s: that of %s is taken", file, title, base)
    return Imported(file, original, plan, reference)


def _prediction(metadata: Mapping[str, str], names: Mapping[str, Spec]) -> str | None:
    """How the file says that its UNet's output is to be read, as schedulers are configured."""
    if any(name.rpartition(".")[2] == "v_pred" for name in names):  # an empty tensor, as a mark
        return "v_prediction"
    return _PREDICTIONS.get(metadata.get("modelspec.prediction_type", "").lower())


class Imported:
    """Weights under diffusers' names, read from a file with other ones; the base's where it has none."""

    def __init__(self, file: str, original: Weights, plan: Sequence[Entry], base: Weights) -> None:
        """Raises ModelError(bad_file) when the file's tensors are not of the base's shapes."""
        self._original = original
        self._base = base
        self._specs = dict(base.specs())
        self._places: dict[str, tuple[str, int]] = {}
        """Name -> original name, and the first element there."""
        there = original.specs()
        for entry in plan:
            shapes = [self._specs[source].shape for source in entry.sources]
            _check(file, entry.name, there.get(entry.name), (sum(s[0] for s in shapes), *shapes[0][1:]))
            begin = 0
            for source, shape in zip(entry.sources, shapes, strict=True):
                self._places[source] = (entry.name, begin)
                self._specs[source] = Spec(source, shape, _kept(there[entry.name].dtype))
                begin += prod(shape)

    def specs(self) -> Mapping[str, Spec]:
        """All tensors by diffusers' full name."""
        return self._specs

    def read(self, name: str) -> torch.Tensor:
        """One tensor, in the shape that diffusers wants."""
        if name not in self._places:
            return self._base.read(name)
        original, begin = self._places[name]
        spec = self._specs[name]
        flat = self._original.read(original).reshape(-1)
        return flat[begin : begin + prod(spec.shape)].reshape(spec.shape).to(spec.dtype)


def _check(file: str, name: str, found: Spec | None, wanted: tuple[int, ...]) -> None:
    """A matrix may be kept as a convolution's kernel of one pixel, and the other way round."""
    if found is None or [side for side in found.shape if side > 1] != [side for side in wanted if side > 1]:
        raise ModelError(
            "bad_file",
            f"{file} is of another architecture than the chosen base, or not whole: {name} "
            f"{'is missing' if found is None else f'has the shape {list(found.shape)}'}.",
        )
    if not found.dtype.is_floating_point:
        raise ModelError(
            "bad_file", f"{file} has quantised weights. Look for the same model in half precision."
        )


def _kept(dtype: torch.dtype) -> torch.dtype:
    """Of eight bits, all values are the same in half precision, and more can be done with them."""
    return torch.float16 if dtype in EIGHT_BITS else dtype
