"""Adapters leave as LoRA files and as whole models, and draw the same pictures everywhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from inference.bases import MINI
from inference.errors import ModelError
from inference.model import load
from tests.trainer.test_export import picture, quiet
from trainer.export import export, open_model, write_folder
from trainer.export_files import SafetensorsFile

LAYER = "mid_block.attentions.0.transformer_blocks.0.attn1"


def write_lora(folder: Path, base: str = "mini") -> Path:
    """An adapter of random matrices in the UNet and in the text encoder, strong enough to be seen."""
    generator = torch.Generator().manual_seed(1)
    model = load(base, torch.device("cpu"), torch.float32)
    tensors = {}
    for part, module, wanted in (
        ("unet", model.unet, ("to_q", "to_k", "to_v", "to_out.0")),
        ("text_encoder.text_model", model.text_encoder, ("q_proj", "k_proj", "v_proj", "out_proj")),
    ):
        for path, layer in module.named_modules():
            if path.endswith(wanted) and isinstance(layer, torch.nn.Linear):
                path = path.removeprefix("text_model.")
                down = torch.randn(4, layer.in_features, generator=generator) * 0.1
                up = torch.randn(layer.out_features, 4, generator=generator) * 0.1
                tensors |= {f"{part}.{path}.lora_A.weight": down, f"{part}.{path}.lora_B.weight": up}
    folder.mkdir()
    save_file(tensors, folder / "lora.safetensors")
    (folder / "lora.json").write_text(json.dumps({"base": base, "rank": 4, "alpha": 8.0}))
    return folder


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    return write_lora(tmp_path / "lora")


def ours(lora: Path) -> np.ndarray:
    return picture(load(str(lora), torch.device("cpu"), torch.float32).pipeline())


def test_the_file_has_the_names_that_others_expect(lora: Path, tmp_path: Path) -> None:
    export(str(lora), "lora", tmp_path / "a.safetensors", half=True, emit=quiet)
    there = load_file(tmp_path / "a.safetensors")
    name = f"lora_unet_{LAYER.replace('.', '_')}_to_out_0"
    source = load_file(lora / "lora.safetensors")
    assert torch.equal(
        there[f"{name}.lora_down.weight"], source[f"unet.{LAYER}.to_out.0.lora_A.weight"].half()
    )
    assert there[f"{name}.alpha"] == 8
    assert "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight" in there
    assert len(there) == 3 * len(source) / 2


@pytest.mark.parametrize(
    ("width", "prediction", "said"),
    [
        (768, "epsilon", {"ss_v2": "False", "ss_base_model_version": "sd_v1"}),
        (1024, "epsilon", {"ss_v2": "True", "ss_base_model_version": "sd_v2"}),
        (1024, "v_prediction", {"ss_v2": "True", "ss_base_model_version": "sd_v2_v"}),
    ],
)
def test_the_file_says_for_which_stable_diffusion_it_is(
    tmp_path: Path, width: int, prediction: str, said: dict[str, str]
) -> None:
    base, lora = tmp_path / "base", tmp_path / "lora"
    shutil.copytree(MINI, base)
    scheduler = base / "scheduler/scheduler_config.json"
    scheduler.write_text(json.dumps(json.loads(scheduler.read_text()) | {"prediction_type": prediction}))
    lora.mkdir()
    layer = f"unet.{LAYER.replace('attn1', 'attn2')}.to_k"
    matrices = {"lora_A": torch.zeros(4, width), "lora_B": torch.zeros(64, 4)}
    save_file({f"{layer}.{name}.weight": it for name, it in matrices.items()}, lora / "lora.safetensors")
    (lora / "lora.json").write_text(json.dumps({"base": str(base), "rank": 4, "alpha": 4.0}))
    export(str(lora), "lora", tmp_path / "a.safetensors", half=True, emit=quiet)
    metadata = SafetensorsFile(tmp_path / "a.safetensors").metadata
    assert said.items() <= metadata.items()
    assert metadata["modelspec.prediction_type"] == prediction.removesuffix("_prediction")
    # Without its base the file comes out as well, and says what the adapter alone shows.
    shutil.rmtree(base)
    export(str(lora), "lora", tmp_path / "b.safetensors", half=True, emit=quiet)
    assert SafetensorsFile(tmp_path / "b.safetensors").metadata["ss_v2"] == said["ss_v2"]


def test_the_file_over_its_base_draws_the_same(lora: Path, tmp_path: Path) -> None:
    export(str(lora), "lora", tmp_path / "a.safetensors", half=False, emit=quiet)
    plain = StableDiffusionPipeline.from_pretrained(MINI)
    before = picture(plain)
    plain.load_lora_weights(tmp_path, weight_name="a.safetensors")
    assert np.abs(picture(plain) - ours(lora)).max() < 0.01
    assert np.abs(before - ours(lora)).max() > 0.1


@pytest.mark.parametrize("way", ["file", "folder"])
def test_a_whole_model_is_merged_first_and_has_the_vae_that_draws(
    lora: Path, tmp_path: Path, way: str
) -> None:
    finer = load("mini", torch.device("cpu"), torch.float32).vae
    torch.nn.init.zeros_(finer.decoder.conv_out.bias)
    finer.save_pretrained(tmp_path / "finer")
    config = json.loads((lora / "lora.json").read_text())
    (lora / "lora.json").write_text(json.dumps({**config, "vae": str(tmp_path / "finer")}))
    if way == "file":
        export(str(lora), "safetensors", tmp_path / "a.safetensors", half=False, emit=quiet)
        merged = StableDiffusionPipeline.from_single_file(tmp_path / "a.safetensors", config=str(MINI))
    else:
        folder, weights = open_model(str(lora))
        write_folder(weights, folder, tmp_path / "merged", quiet)
        merged = StableDiffusionPipeline.from_pretrained(tmp_path / "merged")
        names = load_file(tmp_path / "merged/text_encoder/model.safetensors")
        assert all(name.startswith("text_model.") for name in names)
        assert (tmp_path / "merged/tokenizer/merges.txt").is_file()
    in_use = load(str(lora), torch.device("cpu"), torch.float32)
    for part in ("unet", "vae", "text_encoder"):
        theirs = getattr(merged, part).state_dict()
        assert all(
            torch.equal(theirs[name], value) for name, value in getattr(in_use, part).state_dict().items()
        )


def test_a_lora_for_another_base_is_refused(lora: Path, tmp_path: Path) -> None:
    tensors = load_file(lora / "lora.safetensors")
    name = f"unet.{LAYER}.to_q.lora_A.weight"
    tensors[name] = torch.zeros(4, tensors[name].shape[1] + 1)
    save_file(tensors, lora / "lora.safetensors")
    with pytest.raises(ModelError) as caught:
        export(str(lora), "ckpt", tmp_path / "a.ckpt", half=False, emit=quiet)
    assert caught.value.code == "lora_mismatch"
    assert not (tmp_path / "a.ckpt").exists()
