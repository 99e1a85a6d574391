"""What we save loads in older stacks too, and is whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from inference.bases import MINI
from inference.layout import save_pipeline
from inference.model import load


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_pipeline(load("mini", torch.device("cpu"), torch.float32).pipeline(), tmp_path / "model")
    return tmp_path / "model"


def test_names_and_files_that_older_loaders_look_for(saved: Path) -> None:
    names = load_file(saved / "text_encoder/model.safetensors")
    assert all(name.startswith("text_model.") for name in names)
    assert (saved / "tokenizer/vocab.json").is_file()
    assert (saved / "tokenizer/merges.txt").is_file()


def test_weights_come_back_as_they_were(saved: Path) -> None:
    again = load(str(saved), torch.device("cpu"), torch.float32)
    first = load("mini", torch.device("cpu"), torch.float32)
    for part in ("unet", "vae", "text_encoder"):
        ours, theirs = getattr(first, part).state_dict(), getattr(again, part).state_dict()
        assert all(torch.equal(theirs[name], value) for name, value in ours.items())
    assert torch.equal(first.token_ids(["photo of abraza 猫"]), again.token_ids(["photo of abraza 猫"]))


def test_an_older_folder_is_replaced_and_nothing_else_left(saved: Path) -> None:
    (saved / "stale.txt").write_text("of an older model")
    save_pipeline(load("mini", torch.device("cpu"), torch.float32).pipeline(), saved)
    assert not (saved / "stale.txt").exists()
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


def test_a_save_that_fails_leaves_nothing(tmp_path: Path) -> None:
    pipeline = load("mini", torch.device("cpu"), torch.float32).pipeline()
    pipeline.tokenizer.save_pretrained = lambda *_, **__: (_ for _ in ()).throw(OSError(28, "no space"))
    with pytest.raises(OSError, match="no space"):
        save_pipeline(pipeline, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_the_mini_model_is_small_enough_to_ship() -> None:
    sizes = [file.stat().st_size for file in MINI.rglob("*") if file.is_file()]
    assert max(sizes) <= 16 * 2**20
    assert sum(sizes) <= 24 * 2**20
