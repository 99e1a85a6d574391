"""Opens a file of weights by what is in it, whatever its name ends in."""

from __future__ import annotations

from pathlib import Path

from inference.errors import ModelError
from trainer.export_files import SafetensorsFile
from trainer.pickles import Checkpoint

_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself: run `git lfs pull` there"),
    (b"<", "a web page: the download needs a login or an accepted licence, so download it in a browser"),
    (b"{", "a text file of JSON: choose the file that holds the weights"),
    (b"GGUF", "a GGUF file, whose weights are quantised: look for the model as .safetensors"),
    (b"\x89HDF", "a model of Keras: look for the model as .safetensors"),
    (b"7z\xbc\xaf", "a packed archive: unpack it first"),
    (b"Rar!", "a packed archive: unpack it first"),
    (b"\x1f\x8b", "a packed archive: unpack it first"),
    (b"\x89PNG", "a picture: choose the file that holds the weights"),
    (b"\xff\xd8\xff", "a picture: choose the file that holds the weights"),
)
"""How files begin that are often found in a model's place, and what to do then."""


def open_weights(path: Path) -> SafetensorsFile | Checkpoint:
    """A file's tensors, read when they are asked for. Raises ModelError(bad_file), OSError."""
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        raise ModelError("bad_file", f"{path.name} is empty: download or copy it again.")
    if start[8:9] == b"{":
        return SafetensorsFile(path)
    if start.startswith((b"PK\x03\x04", b"\x80")):
        return Checkpoint(path)
    for signature, what in _OTHERS:
        if start.lstrip().startswith(signature):
            raise ModelError("bad_file", f"{path.name} is {what}.")
    raise ModelError(
        "bad_file",
        f"{path.name} is neither a .safetensors file nor a PyTorch checkpoint, or it is damaged. "
        "Download or copy it again.",
    )
