"""`python -m trainer export | import`: what they make takes the place of nothing."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.bases import MINI
from tests.models import write_lora
from trainer.export import export
from trainer.handover_command import _parser, main

EXPORT = ["export", str(MINI), "--format=safetensors"]
IMPORT = ["import", str(MINI / "model_index.json"), "--base=mini"]


@pytest.fixture(autouse=True)
def nothing_left(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """The command takes the process's stdout, which `capfd` gives back, and its SIGTERM."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def refusal(words: list[str], capfd: pytest.CaptureFixture[str]) -> str:
    """The sentence of a command that fails with `bad_out`."""
    assert main(words) == 1
    failed = json.loads(capfd.readouterr().out)
    assert failed["code"] == "bad_out"
    return str(failed["message"])


def test_an_export_onto_the_model_itself_leaves_it_whole(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = write_lora(tmp_path / "model")
    out = model / "lora.safetensors"
    before = out.read_bytes()
    assert "exists already" in refusal(["export", str(model), "--format=lora", f"--out={out}"], capfd)
    assert out.read_bytes() == before


@pytest.mark.parametrize("words", [EXPORT, IMPORT])
@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_what_is_there_is_not_replaced(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str, words: list[str]
) -> None:
    out = tmp_path / "mine.safetensors"
    if kind == "file":
        out.write_text("mine")
    elif kind == "folder":
        out.mkdir()
    else:
        out.symlink_to(tmp_path / "elsewhere")
    assert "exists already" in refusal([*words, f"--out={out}"], capfd)
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("words", [EXPORT, IMPORT])
@pytest.mark.parametrize("place", ["file/x.safetensors", "/proc/x.safetensors"])
def test_where_nothing_can_be_written_is_said_first(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], place: str, words: list[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert "can't be written" in refusal([*words, f"--out={tmp_path / place}"], capfd)


def test_what_a_publication_removes_in_the_end_is_a_folder_of_its_own(tmp_path: Path) -> None:
    words = ["publish", "model", "--repo=ann/abraza", f"--stage={tmp_path}"]
    assert tmp_path in _parser().parse_args(words).stage.parents


def test_an_import_makes_the_folders_that_lead_to_it(tmp_path: Path) -> None:
    file, out = tmp_path / "mini.safetensors", tmp_path / "deep/er/model"
    export("mini", "safetensors", file, half=False, emit=lambda _: None)
    assert main(["import", str(file), "--base=mini", f"--out={out}"]) == 0
    assert (out / "model_index.json").is_file()
