"""Base models by name, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from inference.bases import MINI, locate, resolve
from inference.errors import ModelError


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("mini", "mini"),
        ("runwayml/stable-diffusion-v1-5", "sd15"),
        ("stable-diffusion-v1-5/stable-diffusion-v1-5", "sd15"),
        ("stabilityai/stable-diffusion-2-1", "sd21"),
    ],
)
def test_old_and_new_names_lead_to_the_same_base(name: str, alias: str) -> None:
    assert resolve(name).alias == alias


def test_a_folder_brings_its_own_resolution() -> None:
    base = resolve(str(MINI))
    assert base.alias == "mini"
    assert base.resolution == 96


def test_an_unknown_base_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match="mini, sd15") as caught:
        resolve("sd99")
    assert caught.value.code == "unknown_base"


def test_a_hub_model_that_cannot_be_had_is_said() -> None:
    with pytest.raises(ModelError, match="can't be reached") as caught:
        locate("somebody/some-model")
    assert caught.value.code == "unknown_base"


def test_another_architecture_is_named(tmp_path: Path) -> None:
    shutil.copytree(MINI, tmp_path / "xl")
    index = tmp_path / "xl" / "model_index.json"
    index.write_text(
        json.dumps({**json.loads(index.read_text()), "_class_name": "StableDiffusionXLPipeline"})
    )
    with pytest.raises(ModelError, match="StableDiffusionXLPipeline") as caught:
        locate(str(tmp_path / "xl"))
    assert caught.value.code == "unsupported_architecture"


def test_an_incomplete_folder_is_said(tmp_path: Path) -> None:
    shutil.copytree(MINI, tmp_path / "torn")
    shutil.rmtree(tmp_path / "torn" / "vae")
    with pytest.raises(ModelError, match="vae is missing"):
        locate(str(tmp_path / "torn"))


def test_a_folder_without_a_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no diffusers model") as caught:
        locate(str(tmp_path))
    assert caught.value.code == "unknown_base"


@pytest.mark.parametrize(
    "content", ["[]", '{"_class_name": "StableDiffusionPipeline", "text_encoder": []}', "{"]
)
def test_a_broken_index_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "model_index.json").write_text(content)
    with pytest.raises(ModelError, match=r"can't be read|works with") as caught:
        locate(str(tmp_path))
    assert caught.value.code in ("unknown_base", "unsupported_architecture")


def test_a_folder_without_configurations_is_said(tmp_path: Path) -> None:
    shutil.copytree(MINI, tmp_path / "torn")
    (tmp_path / "torn" / "unet" / "config.json").unlink()
    with pytest.raises(ModelError, match="no usable configuration"):
        resolve(str(tmp_path / "torn"))
