"""Weights on disk, one tensor in memory at a time.

Files are read with plain reads, not mapped: mapped pages count as memory of the process, and copying a mapped
model once would already take twice its size.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import torch
from safetensors import SafetensorError, safe_open

from inference.errors import ModelError
from inference.weights import part_weights

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
    "U16": torch.uint16, "U32": torch.uint32, "U64": torch.uint64, "BOOL": torch.bool, "C64": torch.complex64,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip
_MOST_HEADER_BYTES = 2**24
"""A whole model's takes a quarter of a MiB; some tools add what they trained on."""
EIGHT_BITS = (torch.float8_e4m3fn, torch.float8_e5m2)
_TAGS = {dtype: tag for tag, dtype in DTYPES.items()}


@dataclass(frozen=True, slots=True)
class Spec:
    """What a tensor will be, before it is there."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def nbytes(self) -> int:
        count = 1
        for side in self.shape:
            count *= side
        return count * self.dtype.itemsize


class Weights(Protocol):
    """Named tensors that are read when they are asked for."""

    def specs(self) -> Mapping[str, Spec]: ...

    def read(self, name: str) -> torch.Tensor: ...


class SafetensorsFile:
    """One `.safetensors` file (github.com/huggingface/safetensors: length, JSON header, data)."""

    def __init__(self, path: Path) -> None:
        """Raises ModelError(bad_file), OSError."""
        self._path = path
        try:
            # The library checks the header against itself and the file's length; it reads no tensor here.
            with safe_open(path, framework="pt"), path.open("rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                if length > _MOST_HEADER_BYTES:
                    raise ModelError(
                        "bad_file", f"{path.name} has a header that no model needs: over 16 MiB."
                    )
                header = json.loads(file.read(length))
        except SafetensorError as error:
            raise ModelError(
                "bad_file", f"{path.name} is damaged or cut off: download or copy it again."
            ) from error
        self.metadata: dict[str, str] = header.pop("__metadata__", None) or {}
        self._begins = {name: 8 + length + entry["data_offsets"][0] for name, entry in header.items()}
        try:
            self._specs = {
                name: Spec(name, tuple(entry["shape"]), DTYPES[entry["dtype"]])
                for name, entry in header.items()
            }
        except KeyError as error:
            raise ModelError(
                "bad_file", f"{path.name} holds numbers of the kind {error}, which Likeness can't read."
            ) from error

    def specs(self) -> Mapping[str, Spec]:
        """All tensors of the file by name."""
        return self._specs

    def read(self, name: str) -> torch.Tensor:
        """One tensor, in memory of its own. Raises ModelError(bad_file), OSError."""
        spec = self._specs[name]
        buffer = torch.empty(spec.nbytes, dtype=torch.uint8)
        with self._path.open("rb", buffering=0) as file:
            file.seek(self._begins[name])
            _fill(file, memoryview(buffer.numpy()), self._path)
        return buffer.view(spec.dtype).reshape(spec.shape)


def _fill(file: BinaryIO, view: memoryview, path: Path) -> None:
    """Read until `view` is full: one read gives at most 2 GiB."""
    while view:
        count = file.readinto(view)  # type: ignore[attr-defined]  # an unbuffered file has it
        if not count:
            raise ModelError("bad_file", f"{path.name} is cut off.")
        view = view[count:]


class PipelineFolder:
    """The weights of a folder in diffusers layout; names start with `unet.`, `vae.` or `text_encoder.`.

    The text encoder's names always have their `text_model.` prefix here, whatever saved the folder.
    """

    def __init__(self, folder: Path, vae: Path | None = None) -> None:
        """`vae` is a VAE's folder in the place of the pipeline's.

        Raises ModelError(base_incomplete | bad_file), OSError.
        """
        self._files: dict[str, tuple[SafetensorsFile, str]] = {}
        for part in ("unet", "vae", "text_encoder"):
            for path in weight_files(vae if vae and part == "vae" else folder / part):
                file = SafetensorsFile(path)
                self._files |= {full_name(part, name): (file, name) for name in file.specs()}

    def specs(self) -> Mapping[str, Spec]:
        """All tensors of the pipeline by full name."""
        specs = {}
        for name, (file, inner) in self._files.items():
            spec = file.specs()[inner]
            specs[name] = Spec(name, spec.shape, spec.dtype)
        return specs

    def read(self, name: str) -> torch.Tensor:
        """One tensor. Raises ModelError(bad_file), OSError."""
        file, inner = self._files[name]
        return file.read(inner)


def weight_files(folder: Path) -> list[Path]:
    """The weights of one part of a pipeline, by its folder. Raises ModelError(base_incomplete)."""
    weights = part_weights(folder.name, {path.name for path in folder.glob("*")})
    if weights is None:
        raise ModelError(
            "base_incomplete", f"{folder.parent.name}/{folder.name} holds no .safetensors weights."
        )
    return [folder / name for name in weights.files]


def full_name(part: str, name: str) -> str:
    """A tensor's name within the whole pipeline."""
    if part == "text_encoder" and not name.startswith("text_model."):
        return f"{part}.text_model.{name}"
    return f"{part}.{name}"


def safetensors_header(specs: Sequence[Spec], metadata: Mapping[str, str]) -> bytes:
    """Length and header of a file whose data follow in the order of `specs`."""
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for spec in specs:
        begin, end = end, end + spec.nbytes
        header[spec.name] = {
            "dtype": _TAGS[spec.dtype],
            "shape": list(spec.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def is_finite(tensor: torch.Tensor) -> bool:
    """Whether all values are numbers, and none is infinite."""
    # Of eight bits PyTorch can tell only after a conversion, which is exact.
    values = tensor.half() if tensor.dtype in EIGHT_BITS else tensor
    if not values.is_floating_point() or not values.numel():
        return True
    # The least and the greatest are NaN where any value is; asking each value takes twenty times as long.
    return bool(torch.stack(values.aminmax()).isfinite().all())


def finite(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """The same tensor, if all of its values are numbers. Raises ModelError(bad_file)."""
    if not is_finite(tensor):
        raise ModelError(
            "bad_file",
            f"The model is broken: {name} has values that are no numbers (NaN or infinite). "
            "Use an earlier version of it.",
        )
    return tensor


def write_tensors(file: BinaryIO, tensors: Iterable[torch.Tensor]) -> None:
    """Append the bytes of tensors, each let go before the next is asked for. Raises OSError."""
    for tensor in tensors:
        flat = tensor.contiguous().reshape(-1)
        file.write(memoryview(flat.view(torch.uint8).numpy()))
        del tensor, flat
