"""Models that take turns in one set of modules draw what they draw when loaded afresh."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL

from inference.bases import MINI
from inference.errors import ModelError
from inference.layout import save_pipeline
from inference.model import Model, load
from inference.residence import Residence
from tests.models import write_lora

CPU = torch.device("cpu")


def state(model: Model) -> Mapping[str, torch.Tensor]:
    parts = {"unet": model.unet, "text_encoder": model.text_encoder, "vae": model.vae}
    return {
        f"{part}.{name}": value
        for part, module in parts.items()
        for name, value in module.state_dict().items()
    }


def assert_same(model: Model, fresh: Mapping[str, torch.Tensor]) -> None:
    ours = state(model)
    assert ours.keys() == fresh.keys()
    assert [name for name, value in fresh.items() if not torch.equal(ours[name], value)] == []


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A base, a full model with another VAE of its own, and two LoRAs of the base."""
    root = tmp_path_factory.mktemp("models")
    trained = load("mini", CPU, torch.float32)
    with torch.no_grad():
        for part in (trained.unet, trained.text_encoder, trained.vae):
            for parameter in part.parameters():
                parameter.add_(0.01)
    save_pipeline(trained.pipeline(), root / "full")
    one, two = (str(write_lora(root / f"lora{seed}", seed=seed)) for seed in (1, 2))
    return ["mini", str(root / "full"), one, two]


def test_every_switch_leaves_the_weights_of_a_fresh_load_bit_for_bit(names: list[str]) -> None:
    fresh = {name: dict(state(load(name, CPU, torch.float32))) for name in names}
    base, full, one, two = names
    residence = Residence(CPU, torch.float32, budget=2**30)
    modules = residence.get(base).unet
    for name in (one, base, two, one, full, two, full, base):
        model = residence.get(name)
        assert model.unet is modules
        assert_same(model, fresh[name])


def test_a_budget_of_nothing_keeps_only_the_model_in_use(names: list[str]) -> None:
    base, full, one, _ = names
    residence = Residence(CPU, torch.float32, budget=0)
    residence.get(base)
    alone = residence.size
    for name in (full, one):
        assert_same(residence.get(name), state(load(name, CPU, torch.float32)))
        assert residence.size == alone


def test_a_lora_that_does_not_fit_harms_no_other(names: list[str], tmp_path: Path) -> None:
    base, _, one, _ = names
    residence = Residence(CPU, torch.float32, budget=2**30)
    residence.get(one)
    broken = write_lora(tmp_path / "broken")
    (broken / "lora.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError):
        residence.get(str(broken))
    assert_same(residence.get(base), state(load(base, CPU, torch.float32)))


def test_a_lora_brings_its_own_vae(tmp_path: Path) -> None:
    vae = AutoencoderKL.from_pretrained(MINI / "vae")
    with torch.no_grad():
        vae.decoder.conv_out.bias.add_(0.5)
    vae.save_pretrained(tmp_path / "vae")
    lora = write_lora(tmp_path / "lora")
    config = lora / "lora.json"
    config.write_text(config.read_text().replace("{", f'{{"vae": "{tmp_path / "vae"}", ', 1))
    residence = Residence(CPU, torch.float32, budget=2**30)
    bias = residence.get(str(lora)).vae.decoder.conv_out.bias
    assert torch.equal(bias, vae.decoder.conv_out.bias)
    assert not torch.equal(residence.get("mini").vae.decoder.conv_out.bias, bias)


def test_a_model_that_was_deleted_is_not_drawn_from_memory(names: list[str], tmp_path: Path) -> None:
    lora = write_lora(tmp_path / "lora")
    residence = Residence(CPU, torch.float32, budget=2**30)
    residence.get(str(lora))
    lora.rename(tmp_path / "gone")
    with pytest.raises(ModelError):
        residence.get(str(lora))
