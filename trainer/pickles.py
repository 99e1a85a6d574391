"""PyTorch's own files (`.ckpt`, `.pt`, `.pth`, `.bin`): pickles, of which nothing is ever run."""

from __future__ import annotations

from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from errno import EINVAL
from pathlib import Path
from pickletools import genops
from typing import IO, Any
from zipfile import ZIP_STORED, ZipFile, is_zipfile

import torch

from inference.errors import ModelError
from trainer.export_files import Spec
from trainer.export_names import METADATA

_LEGACY_PICKLES = 4
"""In files from before PyTorch 1.6: magic number, protocol, system, and the content at last."""

_DEPTH = 4
"""Dictionaries within each other that are looked into."""


class Checkpoint:
    """A pickled checkpoint. Only tensors and plain data of it come to life.

    PyTorch's reader of plain data reads it; whatever else the file names (Lightning's callbacks, numpy's
    numbers) is an inert stand-in there. Names in nested dictionaries are joined by dots.
    """

    def __init__(self, path: Path) -> None:
        """Raises ModelError(bad_file), OSError."""
        try:
            content = _load(path)
            self._tensors = dict(_tensors(content))
            self.metadata: Mapping[str, str] = dict(_metadata(content))
        except ModelError:
            raise
        except Exception as error:  # pickle, zip and torch each have their own
            # Those of the disk; but a damaged archive sends its reader to a place before the file.
            if isinstance(error, OSError) and error.errno != EINVAL:
                raise
            raise ModelError(
                "bad_file",
                f"{path.name} is no PyTorch checkpoint of plain tensors, or it is damaged or cut off. "
                "Download it again, or look for a .safetensors file of the same model.",
            ) from error

    def specs(self) -> Mapping[str, Spec]:
        """All tensors of the file by name."""
        return {name: Spec(name, tuple(t.shape), t.dtype) for name, t in self._tensors.items()}

    def read(self, name: str) -> torch.Tensor:
        """One tensor; its memory is the file's own, mapped."""
        return self._tensors[name]


class _StandIn:
    """Takes everything that a pickle does with a class, and does nothing."""

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...


class _DictStandIn:
    """The same for dictionaries of other kinds, whose items may be tensors."""

    def __new__(cls, *_: object) -> Any:
        return OrderedDict()


def _load(path: Path) -> Any:
    if is_zipfile(path):
        with ZipFile(path) as archive:
            names = _names_within(archive, path.name)
    else:
        with path.open("rb") as file:
            names = {name for _ in range(_LEGACY_PICKLES) for name in _names(file)}
    stand_ins = [(_DictStandIn if name.lower().endswith("dict") else _StandIn, name) for name in names]
    # Nothing that PyTorch's reader knows itself is replaced: it looks at its own names first.
    with torch.serialization.safe_globals(stand_ins):
        # A handle, since by its name PyTorch takes a misnamed .safetensors for one.
        if path.suffix == ".safetensors":
            with path.open("rb") as file:
                return torch.load(file, map_location="cpu", weights_only=True)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))


def _names_within(archive: ZipFile, title: str) -> set[str]:
    """What an archive's pickles would import. Raises ModelError(bad_file) where PyTorch hasn't packed it."""
    pickles = [entry for entry in archive.namelist() if entry.endswith("data.pkl")]
    if not pickles:
        raise ModelError("bad_file", f"{title} is a packed archive: unpack it first.")
    # PyTorch compresses nothing, and maps files as if nothing were. A few bytes may unpack to any size.
    if any(entry.compress_type != ZIP_STORED for entry in archive.infolist()):
        raise ModelError(
            "bad_file",
            f"{title} is a checkpoint that somebody has compressed, which can't be read. "
            "Look for a .safetensors file of the same model.",
        )
    names: set[str] = set()
    for entry in pickles:
        with archive.open(entry) as pickled:
            names |= set(_names(pickled))
    return names


def _names(pickled: IO[bytes]) -> Iterator[str]:
    """Full names of all that a pickle would import, in Python 3's spelling."""
    for opcode, argument, _ in genops(pickled):
        if opcode.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
            yield f"{module}.{name}"


def _metadata(content: object) -> Iterator[tuple[str, str]]:
    """What our own exports say of themselves."""
    said = content.get(METADATA) if isinstance(content, dict) else None
    if isinstance(said, dict):
        yield from ((name, text) for name, text in said.items() if isinstance(text, str))


def _tensors(content: object, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(content, torch.Tensor):
        if content.layout == torch.strided and content.device.type == "cpu" and not content.is_quantized:
            yield prefix, content.detach()
    elif isinstance(content, dict) and depth < _DEPTH:
        for name, value in content.items():
            if isinstance(name, str):
                yield from _tensors(value, f"{prefix}.{name}" if prefix else name, depth + 1)
