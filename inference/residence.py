"""Models of one architecture take turns in one set of modules: their weights are copied in, in place.

Addresses never change, so CUDA graphs over the modules stay valid, and a switch costs a copy. Weights
wait in ordinary memory, pinned where there is a GPU.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file

from data.recent import Recent
from inference.bases import locate
from inference.lora import is_lora, merge, read_config, read_lora
from inference.model import Model, load_folder, load_vae
from inference.weights import weights_in

Weights = dict[str, dict[str, torch.Tensor]]
"""Part -> the names of its state -> tensors, laid out in memory as in the resident modules."""
_PARTS = ("unet", "text_encoder", "vae")
_RESIDENTS = 2
"""Architectures that stay on the device."""
_MOST_FOLDERS = 1000
"""Names whose folder is remembered."""


@dataclass(frozen=True)
class _Stored:
    """A full model outside the modules: weights on the host, and what isn't weights."""

    model: Model
    """Tokenizer and scheduler are its own, the modules are the residents that it is put into."""
    weights: Weights
    architecture: str
    size: int


@dataclass
class _Resident:
    model: Model
    holds: tuple[str, str] | None = None
    """Folders of the full model and of the one on top (the same where it is no LoRA); None: nobody knows."""
    changed: frozenset[tuple[str, str]] = frozenset()
    """Part and name of the weights that the LoRA on top has changed."""


class Residence:
    """Gives models by name, one at a time: a model is valid until the next is asked for.

    `budget` is how many bytes of weights are kept on the host; the one in use is always kept.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype, budget: int) -> None:
        self._device = device
        self._dtype = dtype
        self._budget = budget
        self._stored: OrderedDict[str, _Stored] = OrderedDict()
        self._residents: OrderedDict[str, _Resident] = OrderedDict()
        self._folders: Recent[str, Path] = Recent(_MOST_FOLDERS)
        self._vaes: dict[str, torch.nn.Module] = {}

    def get(self, name: str) -> Model:
        """The model of a base's name, a Hub id or a folder, its weights in the modules. Raises ModelError."""
        folder = self._locate(name)
        config = read_config(folder) if is_lora(folder) else None
        base = self._locate(config.base) if config else folder
        stored = self._full(base)
        resident = self._residents[stored.architecture]
        if resident.holds != (str(base), str(folder)):
            self._fill(resident, str(base), stored)
            if config:
                self._add(resident, str(base), folder)
        return replace(stored.model, vae=self._vae(config.vae)) if config and config.vae else stored.model

    def forget(self) -> None:
        """Give all memory back, the device's too."""
        self._stored.clear()
        self._residents.clear()
        self._vaes.clear()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    @property
    def size(self) -> int:
        """Bytes of weights that wait on the host."""
        return sum(stored.size for stored in self._stored.values())

    def _locate(self, name: str) -> Path:
        """Ask for a name once; a folder that is gone since is looked for anew, and said to be missing."""
        known = self._folders.get(name)
        if known is None or not known.is_dir():
            self._stored.pop(str(known), None)
            known = self._folders[name] = locate(name)
        return known

    def _full(self, folder: Path) -> _Stored:
        key = str(folder)
        if key not in self._stored:
            self._stored[key] = self._read(folder)
        self._stored.move_to_end(key)
        self._make_room()
        return self._stored[key]

    def _make_room(self) -> None:
        while self.size > self._budget and len(self._stored) > 1:
            self._stored.popitem(last=False)

    def _read(self, folder: Path) -> _Stored:
        architecture = _architecture(folder)
        resident = self._residents.get(architecture)
        if resident is None:
            while len(self._residents) >= _RESIDENTS:
                gone, _ = self._residents.popitem(last=False)
                for key in [key for key, stored in self._stored.items() if stored.architecture == gone]:
                    del self._stored[key]
            model = load_folder(folder, self._device, self._dtype)
            resident = self._residents[architecture] = _Resident(model, (str(folder), str(folder)))
            weights = {part: self._to_host(dict(_state(model, part))) for part in _PARTS}
        else:
            model, weights = self._read_like(folder, resident.model)
        self._residents.move_to_end(architecture)
        size = sum(tensor.nbytes for part in weights.values() for tensor in part.values())
        return _Stored(model, weights, architecture, size)

    def _read_like(self, folder: Path, resident: Model) -> tuple[Model, Weights]:
        """Read a model of a known architecture: straight from its files where their names are today's."""
        weights = {part: self._read_part(folder / part, dict(_state(resident, part))) for part in _PARTS}
        if all(weights.values()):
            found = {part: tensors for part, tensors in weights.items() if tensors is not None}
            return resident.with_words_of(folder), found
        loaded = load_folder(folder, torch.device("cpu"), self._dtype)
        laid_out = {part: self._like(dict(_state(loaded, part)), resident, part) for part in _PARTS}
        return resident.with_words_of(folder), laid_out

    def _read_part(self, folder: Path, wanted: dict[str, torch.Tensor]) -> dict[str, torch.Tensor] | None:
        weights = weights_in(folder.parent, folder.name)
        if weights is None or len(weights.files) != 1:
            return None
        tensors = load_file(folder / weights.files[0])
        read = {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}
        if any(name not in read or read[name].shape != old.shape for name, old in wanted.items()):
            return None
        return {name: self._host_copy(read[name], old) for name, old in wanted.items()}

    def _like(self, state: dict[str, torch.Tensor], resident: Model, part: str) -> dict[str, torch.Tensor]:
        return {name: self._host_copy(state[name], old) for name, old in _state(resident, part)}

    def _to_host(self, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {name: self._host_copy(tensor, tensor) for name, tensor in state.items()}

    def _host_copy(self, source: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """A copy with the resident's own strides, so that filling is one plain copy."""
        copy = torch.empty_like(like, device="cpu", pin_memory=self._device.type == "cuda")
        return copy.copy_(source)

    @torch.no_grad()
    def _fill(self, resident: _Resident, base: str, stored: _Stored) -> None:
        """Make the modules hold a full model's weights, copying only what differs."""
        whole = resident.holds is None or resident.holds[0] != base
        resident.holds = None  # whatever breaks off now, nobody trusts the modules
        for part in _PARTS:
            for name, target in _state(resident.model, part):
                if whole or (part, name) in resident.changed:
                    target.copy_(stored.weights[part][name], non_blocking=True)
        resident.holds, resident.changed = (base, base), frozenset()

    def _add(self, resident: _Resident, base: str, folder: Path) -> None:
        """Add a LoRA's products to its base's weights."""
        lora = read_lora(folder)
        resident.holds = None
        merge(lora, {"unet": resident.model.unet, "text_encoder": resident.model.text_encoder})
        resident.holds = (base, str(folder))
        resident.changed = frozenset((pair.part, f"{pair.path}.weight") for pair in lora.pairs)

    def _vae(self, source: str) -> torch.nn.Module:
        if source not in self._vaes:
            self._vaes = {source: load_vae(source, self._device, self._dtype)}
        return self._vaes[source]


def _state(model: Model, part: str) -> Iterator[tuple[str, torch.Tensor]]:
    """Everything that a part saves, under the names without transformers' old prefix."""
    for name, tensor in getattr(model, part).state_dict(keep_vars=True).items():
        yield name.removeprefix("text_model."), tensor


def _architecture(folder: Path) -> str:
    """The parts' configurations, without what says only where and when they were saved."""
    configs = []
    for part in _PARTS:
        config = json.loads((folder / part / "config.json").read_text())
        passing = ("_", "transformers_version", "dtype", "torch_dtype", "architectures")
        configs.append({key: value for key, value in config.items() if not key.startswith(passing)})
    return json.dumps(configs, sort_keys=True)
