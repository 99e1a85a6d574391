"""Single files in the original format: other loaders draw the same pictures, and no bit is lost."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from data.errors import is_disk_full
from inference.bases import MINI
from inference.errors import ModelError
from inference.layout import save_pipeline
from inference.model import load
from trainer.export import config_of, export
from trainer.export_files import SafetensorsFile
from trainer.export_names import entries
from trainer.handover import Exported, Format, Moved
from trainer.importing import import_file
from trainer.pickles import Checkpoint

PARTS = ("unet", "vae", "text_encoder")


def quiet(_: object) -> None:
    """Nobody listens to the progress."""


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """All weights of a pipeline's folder; the text encoder's with their prefix."""
    found = {}
    for part in PARTS:
        (file,) = (folder / part).glob("*.safetensors")
        for name, tensor in load_file(file).items():
            found[f"{part}.{name.removeprefix('text_model.')}"] = tensor
    return found


def same(ours: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def picture(pipeline: StableDiffusionPipeline) -> np.ndarray:
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.Generator().manual_seed(3)
    return pipeline("photo of a person", num_inference_steps=2, generator=noise, output_type="np").images[0]


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of the 2.x kind: linear projections, OpenCLIP's activation, v-prediction."""
    torch.manual_seed(0)
    mini = load("mini", torch.device("cpu"), torch.float32)
    text = CLIPTextModel(CLIPTextConfig(**{
        **mini.text_encoder.config.to_dict(), "hidden_act": "gelu", "hidden_size": 32,
        "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 2,
    }))  # fmt: skip
    unet = UNet2DConditionModel(
        sample_size=8, block_out_channels=(32, 64, 64), layers_per_block=2, attention_head_dim=(2, 4, 4),
        cross_attention_dim=32, use_linear_projection=True, norm_num_groups=8,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    )  # fmt: skip
    scheduler = DDIMScheduler.from_config({**mini.scheduler.config, "prediction_type": "v_prediction"})
    pipeline = StableDiffusionPipeline(
        vae=mini.vae, text_encoder=text, tokenizer=mini.tokenizer, unet=unet, scheduler=scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("second") / "model"
    save_pipeline(pipeline, folder)
    return folder


@pytest.mark.parametrize("kind", ["safetensors", "ckpt"])
@pytest.mark.parametrize("family", ["first", "second"])
def test_a_file_draws_what_its_folder_draws_and_comes_back_bit_for_bit(
    tmp_path: Path, second: Path, family: str, kind: Format
) -> None:
    folder = MINI if family == "first" else second
    file = tmp_path / f"model.{kind}"
    told: list[object] = []
    done = export(str(folder), kind, file, half=False, emit=told.append)
    assert done == Exported(path=str(file), size_bytes=file.stat().st_size)
    assert isinstance(told[-1], Moved) and told[-1].done == told[-1].total

    theirs = StableDiffusionPipeline.from_single_file(file, config=str(folder), local_files_only=True)
    ours = StableDiffusionPipeline.from_pretrained(folder)
    assert theirs.scheduler.config.prediction_type == ours.scheduler.config.prediction_type
    assert np.array_equal(picture(theirs), picture(ours))

    import_file(file, str(folder), tmp_path / "back", emit=quiet)
    assert same(weights(tmp_path / "back"), weights(folder))
    assert np.array_equal(picture(StableDiffusionPipeline.from_pretrained(tmp_path / "back")), picture(ours))
    assert (tmp_path / "back/tokenizer/vocab.json").is_file()


def test_half_precision_halves_every_tensor(tmp_path: Path) -> None:
    export("mini", "safetensors", tmp_path / "full.safetensors", half=False, emit=quiet)
    export("mini", "ckpt", tmp_path / "half.ckpt", half=True, emit=quiet)
    full = load_file(tmp_path / "full.safetensors")
    half = Checkpoint(tmp_path / "half.ckpt")
    assert half.specs().keys() == {f"state_dict.{name}" for name in full}
    assert all(torch.equal(half.read(f"state_dict.{name}"), tensor.half()) for name, tensor in full.items())


def test_values_too_large_for_half_precision_are_refused(tmp_path: Path) -> None:
    shutil.copytree(MINI, tmp_path / "model")
    file = tmp_path / "model/vae/diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    tensors["decoder.conv_in.bias"] = tensors["decoder.conv_in.bias"].float() + 1e6
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"decoder\.conv_in\.bias") as caught:
        export(str(tmp_path / "model"), "safetensors", tmp_path / "a.safetensors", half=True, emit=quiet)
    assert caught.value.code == "half_overflow"
    assert not list(tmp_path.glob("a.*"))


def test_values_that_are_no_numbers_are_refused_in_every_precision(tmp_path: Path) -> None:
    shutil.copytree(MINI, tmp_path / "model")
    file = tmp_path / "model/vae/diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    tensors["decoder.conv_in.bias"][3] = torch.nan
    save_file(tensors, file, metadata={"format": "pt"})
    for half in (False, True):
        with pytest.raises(ModelError, match=r"broken: vae\.decoder\.conv_in\.bias") as caught:
            export(str(tmp_path / "model"), "ckpt", tmp_path / "a.ckpt", half=half, emit=quiet)
        assert caught.value.code == "bad_file"
    assert not list(tmp_path.glob("a.*"))


@pytest.mark.parametrize("version", [1, 2])
def test_full_size_names_are_those_that_diffusers_reads(version: int) -> None:
    """Every name of a full-size model goes out and comes back to itself, shape and all."""
    width, heads, layers, act = (768, 12, 12, "quick_gelu") if version == 1 else (1024, 16, 23, "gelu")
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=64, cross_attention_dim=width,
            attention_head_dim=(5, 10, 20, 20) if version == 2 else 8, use_linear_projection=version == 2,
        )  # fmt: skip
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512), layers_per_block=2, sample_size=512,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        )  # fmt: skip
        text = CLIPTextModel(CLIPTextConfig(
            vocab_size=49408, hidden_size=width, num_attention_heads=heads, intermediate_size=4 * width,
            num_hidden_layers=layers, hidden_act=act,
        ))  # fmt: skip
    models = {"unet": unet, "vae": vae, "text_encoder": text}
    names = {
        f"{part}.{name}": tensor
        for part, model in models.items()
        for name, tensor in model.state_dict().items()
    }
    plan = entries(names, unet.config, vae.config, text.config.to_dict())
    # 686, 248 and 196 are the counts of the original 1.x file; OpenCLIP joins three weights and three biases.
    assert len(plan) == 686 + 248 + (23 * 12 + 4 if version == 2 else 196)

    original = {}
    for entry in plan:
        tensors = [names[source] for source in entry.sources]
        joined = torch.cat(tensors) if len(tensors) > 1 else tensors[0]
        joined = joined[:, :, None, None] if entry.as_convolution else joined
        original[entry.name] = joined
        if len(tensors) == 1:
            joined.source = entry.sources[0]
    back = convert_ldm_unet_checkpoint(original, unet.config)
    assert {f"unet.{name}": tensor.source for name, tensor in back.items()} == {
        name: name for name in names if name.startswith("unet.")
    }
    assert all(back[name].shape == tensor.shape for name, tensor in unet.state_dict().items())
    back = convert_ldm_vae_checkpoint(original, vae.config)
    assert {name: tensor.shape for name, tensor in back.items()} == {
        name: tensor.shape for name, tensor in vae.state_dict().items()
    }
    if version == 2:
        back = convert_open_clip_checkpoint(text, original)
        assert {name.removeprefix("text_model."): tensor.shape for name, tensor in back.items()} == {
            name.removeprefix("text_model."): tensor.shape for name, tensor in text.state_dict().items()
        }


def test_the_vae_attention_of_older_folders_gets_the_same_names() -> None:
    stem = "vae.decoder.mid_block.attentions.0."
    old = ("group_norm", "query", "key", "value", "proj_attn")
    new = ("group_norm", "to_q", "to_k", "to_v", "to_out.0")
    plans = [entries([f"{stem}{name}.weight" for name in names], {}, {}, {}) for names in (old, new)]
    assert [entry.name for entry in plans[0]] == [entry.name for entry in plans[1]]
    assert [entry.as_convolution for entry in plans[1]] == [True, False, True, True, True]


def test_an_architecture_that_the_format_has_no_place_for_is_refused() -> None:
    with pytest.raises(ModelError) as caught:
        entries(["unet.class_embedding.weight"], {"layers_per_block": 2}, {}, {})
    assert caught.value.code == "unsupported_architecture"


def test_a_file_of_another_architecture_or_cut_off_is_refused(tmp_path: Path, second: Path) -> None:
    export(str(second), "safetensors", tmp_path / "second.safetensors", half=False, emit=quiet)
    export("mini", "safetensors", tmp_path / "cut.safetensors", half=False, emit=quiet)
    os.truncate(tmp_path / "cut.safetensors", 2**20)
    for name, said in (("second", "another architecture"), ("cut", "cut off"), ("none", "no file")):
        with pytest.raises(ModelError, match=said):
            import_file(tmp_path / f"{name}.safetensors", "mini", tmp_path / "out", emit=quiet)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.safetensors", "second.safetensors"]


@pytest.mark.parametrize("kind", ["safetensors", "ckpt"])
def test_a_disk_that_fills_up_leaves_the_older_file(tmp_path: Path, kind: Format) -> None:
    file = tmp_path / f"model.{kind}"
    file.write_text("older")
    # The device that is always full stands where the new file is written.
    (tmp_path / f"model.{kind}.incoming").symlink_to("/dev/full")
    with pytest.raises(Exception) as caught:
        export("mini", kind, file, half=False, emit=quiet)
    assert is_disk_full(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert file.read_text() == "older"


def test_too_little_room_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 0))
    with pytest.raises(ModelError) as caught:
        export("mini", "safetensors", tmp_path / "model.safetensors", half=False, emit=quiet)
    assert caught.value.code == "disk_full"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "name", "code"),
    [("ckpt", "a.safetensors", "bad_out"), ("safetensors", "no/a.safetensors", "bad_out"),
     ("lora", "a.safetensors", "no_adapter")],
)  # fmt: skip
def test_what_is_asked_wrongly_is_a_clear_error(tmp_path: Path, kind: Format, name: str, code: str) -> None:
    with pytest.raises(ModelError) as caught:
        export("mini", kind, tmp_path / name, half=False, emit=quiet)
    assert caught.value.code == code


def test_the_metadata_say_how_the_output_is_read(tmp_path: Path, second: Path) -> None:
    export(str(second), "safetensors", tmp_path / "a.safetensors", half=False, emit=quiet)
    assert SafetensorsFile(tmp_path / "a.safetensors").metadata["modelspec.prediction_type"] == "v"
    assert (
        json.loads((second / "scheduler/scheduler_config.json").read_text())["prediction_type"]
        == "v_prediction"
    )


@pytest.mark.parametrize("kind", ["safetensors", "ckpt"])
def test_an_export_comes_back_with_its_own_prediction_whatever_the_base_predicts(
    tmp_path: Path, second: Path, kind: Format
) -> None:
    shutil.copytree(second, tmp_path / "other")
    scheduler = tmp_path / "other/scheduler/scheduler_config.json"
    scheduler.write_text(scheduler.read_text().replace("v_prediction", "epsilon"))
    export(str(second), kind, tmp_path / f"a.{kind}", half=True, emit=quiet)
    import_file(tmp_path / f"a.{kind}", str(tmp_path / "other"), tmp_path / "back", emit=quiet)
    assert config_of(tmp_path / "back", "scheduler", "scheduler_config.json")["prediction_type"] == (
        "v_prediction"
    )


def test_a_configuration_that_is_nested_without_end_is_no_defect_of_ours(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet/config.json").write_text("[" * 100_000)
    with pytest.raises(ModelError, match="can't be read"):
        config_of(tmp_path, "unet")
