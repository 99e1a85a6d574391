"""LoRA models are drawn like any other, and one that doesn't fit is refused before a weight changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from inference.bases import locate, resolve
from inference.errors import ModelError
from inference.lora import is_lora, merge, read_lora
from inference.model import Model, load
from tests.models import UNET_LAYER, write_lora

CPU = torch.device("cpu")


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    return write_lora(tmp_path / "lora")


@pytest.fixture(scope="module")
def base() -> Model:
    return load("mini", CPU, torch.float32)


def test_a_loaded_lora_is_base_plus_scaled_product(lora: Path, base: Model) -> None:
    stored = load_file(lora / "lora.safetensors")
    model = load(str(lora), CPU, torch.float32)
    product = stored[f"unet.{UNET_LAYER}.lora_B.weight"] @ stored[f"unet.{UNET_LAYER}.lora_A.weight"]
    weights, before = model.unet.state_dict(), base.unet.state_dict()
    name = f"{UNET_LAYER}.weight"
    torch.testing.assert_close(weights[name], before[name] + 2.0 * product)
    others = {other for other, value in before.items() if not torch.equal(weights[other], value)}
    assert others == {name}
    encoders = model.text_encoder.state_dict(), base.text_encoder.state_dict()
    changed = {key for key, value in encoders[1].items() if not torch.equal(encoders[0][key], value)}
    assert [key.removeprefix("text_model.") for key in changed] == [
        "encoder.layers.0.self_attn.q_proj.weight"
    ]


def test_a_lora_folder_has_its_base_s_resolution(lora: Path) -> None:
    assert is_lora(lora) and locate(str(lora)) == lora
    assert resolve(str(lora)).resolution == 96


@pytest.mark.parametrize(
    ("layer", "size"), [("unet.mid_block.nowhere", 160), (f"unet.{UNET_LAYER}", 32)], ids=["place", "size"]
)
def test_a_lora_for_another_base_changes_nothing(lora: Path, base: Model, layer: str, size: int) -> None:
    weights = load_file(lora / "lora.safetensors")
    weights |= {f"{layer}.lora_A.weight": torch.ones(4, size), f"{layer}.lora_B.weight": torch.ones(size, 4)}
    save_file(weights, lora / "lora.safetensors")
    before = {name: value.clone() for name, value in base.text_encoder.state_dict().items()}
    with pytest.raises(ModelError, match="another base") as caught:
        merge(read_lora(lora), {"unet": base.unet, "text_encoder": base.text_encoder})
    assert caught.value.code == "lora_mismatch"
    assert all(torch.equal(value, before[name]) for name, value in base.text_encoder.state_dict().items())


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("{", "unknown_base"),
        (json.dumps({"base": "mini", "rank": 0, "alpha": 1}), "unknown_base"),
        (json.dumps({"base": "sd99", "rank": 4, "alpha": 1}), "unknown_base"),
    ],
)
def test_a_broken_lora_is_said(lora: Path, content: str, code: str) -> None:
    (lora / "lora.json").write_text(content)
    with pytest.raises(ModelError) as caught:
        load(str(lora), CPU, torch.float32)
    assert caught.value.code == code


def test_a_lora_of_a_lora_is_refused(lora: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="LoRA itself"):
        locate(str(write_lora(tmp_path / "second", base=str(lora))))


@pytest.mark.parametrize("name", ["unet.x.lora_A.weight", "vae.x.lora_A.weight", "unet.odd.weight"])
def test_weights_that_are_no_lora_are_said(lora: Path, name: str) -> None:
    save_file({name: torch.ones(1)}, lora / "lora.safetensors")
    with pytest.raises(ModelError) as caught:
        read_lora(lora)
    assert caught.value.code == "lora_mismatch"
