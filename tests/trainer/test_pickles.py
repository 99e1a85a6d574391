"""Checkpoints from strangers: whatever their pickles ask for, nothing of it runs."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from inference.errors import ModelError
from trainer.pickles import Checkpoint

SPRUNG = "open('sprung', 'w')"


class Trap:
    """Pickles as a call of `function`."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self._call


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "trap",
    [
        Trap(os.mkdir, "sprung"),
        Trap(eval, SPRUNG),
        Trap(exec, SPRUNG),
    ],
    ids=["os", "eval", "exec"],
)
def test_code_in_a_checkpoint_is_never_run(trap: Trap, zipped: bool) -> None:
    file = Path("a.ckpt")
    content = {"state_dict": {"w": torch.ones(1)}, "x": trap}
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    try:
        assert Checkpoint(file).specs().keys() == {"state_dict.w"}
    except ModelError as error:
        assert error.code == "bad_file"
    assert [path.name for path in Path().iterdir()] == ["a.ckpt"]


def written(body: bytes) -> bytes:
    """A zipped checkpoint whose pickle is `body`."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + body + b".")
        archive.writestr("a/version", "3\n")
    return packed.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        # eval as a stand-in, called with the code, and its answer called again
        b"c__builtin__\neval\nX\x12\0\0\0open('sprung','w')\x85R)R",
        # getattr(__import__("os"), "mkdir")("sprung")
        b"c__builtin__\ngetattr\n(c__builtin__\n__import__\nX\x02\0\0\0os\x85RX\x05\0\0\0mkdirtR"
        b"X\x06\0\0\0sprung\x85R",
        # the code as the state of an object whose __setstate__ was set to eval, and of a class
        b"cargparse\nNamespace\n)\x81N}X\x0c\0\0\0__setstate__c__builtin__\neval\ns\x86bX\x12\0\0\0open('sprung','w')b",
        b"cargparse\nNamespace\nN}X\x0c\0\0\0__setstate__c__builtin__\neval\ns\x86bX\x12\0\0\0open('sprung','w')b",
        # older and newer ways to import and to call
        b'(S\'open("sprung","w")\'\ni__builtin__\neval\n',
        b'(c__builtin__\neval\nS\'open("sprung","w")\'\no',
        b"\x8c\x08builtins\x8c\x04eval\x93X\x12\0\0\0open('sprung','w')\x85R",
        b"\x82\x01",
        b"Vstorage\nP../../etc/passwd\n",
    ],
    ids=[
        "call",
        "getattr",
        "build",
        "build-class",
        "inst",
        "obj",
        "stack-global",
        "ext",
        "persid",
    ],
)
def test_no_instruction_of_a_pickle_runs_anything(body: bytes) -> None:
    Path("a.ckpt").write_bytes(written(body))
    try:
        assert not Checkpoint(Path("a.ckpt")).specs()
    except ModelError as error:
        assert error.code == "bad_file"
    assert [path.name for path in Path().iterdir()] == ["a.ckpt"]


def repacked(kind: int) -> None:
    """Write `b.ckpt` with the contents of `a.ckpt`."""
    with zipfile.ZipFile("a.ckpt") as source, zipfile.ZipFile("b.ckpt", "w", kind) as target:
        for entry in source.namelist():
            target.writestr(entry, source.read(entry))


def test_a_checkpoint_that_was_packed_again_is_whole_or_refused() -> None:
    weights = torch.arange(1000.0)
    torch.save({"state_dict": {"w": weights}}, "a.ckpt")
    repacked(zipfile.ZIP_STORED)
    assert torch.equal(Checkpoint(Path("b.ckpt")).read("state_dict.w"), weights)
    repacked(zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelError, match="somebody has compressed"):
        Checkpoint(Path("b.ckpt"))


def test_an_archive_that_points_to_a_place_before_it_is_damaged() -> None:
    data = bytearray(written(b"}"))
    data[-6:-2] = (2**28).to_bytes(4, "little")  # where its directory should begin
    Path("a.ckpt").write_bytes(data)
    with pytest.raises(ModelError, match="damaged or cut off"):
        Checkpoint(Path("a.ckpt"))


def test_an_archive_of_other_files_is_to_be_unpacked() -> None:
    with zipfile.ZipFile("a.zip", "w") as archive:
        archive.writestr("model.safetensors", b"")
    with pytest.raises(ModelError, match="unpack it first"):
        Checkpoint(Path("a.zip"))


def test_a_pickle_that_holds_itself_has_an_end() -> None:
    Path("a.ckpt").write_bytes(written(b"}q\0X\x01\0\0\0ah\0s"))
    assert not Checkpoint(Path("a.ckpt")).specs()
