"""Which files of a model are read, and that all of what they should hold is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from inference.bases import locate
from inference.errors import ModelError
from inference.model import load
from inference.residence import Residence
from inference.weights import part_weights
from tests.bases import WEIGHTS, copy_mini, make_half

CPU = torch.device("cpu")


def test_single_precision_is_read_where_both_are_there() -> None:
    names = ["model.fp16.safetensors", "model.safetensors", "pytorch_model.bin", "model.non_ema.safetensors"]
    found = part_weights("text_encoder", names)
    assert found is not None and (found.files, found.variant) == (("model.safetensors",), None)


@pytest.mark.parametrize(
    "shard", ["{}.fp16-0000{}-of-00002.safetensors", "{}-0000{}-of-00002.fp16.safetensors"]
)
def test_shards_are_read_where_all_are_there(shard: str) -> None:
    stem = "diffusion_pytorch_model"
    shards = tuple(shard.format(stem, number) for number in (1, 2))
    index = f"{stem}.safetensors.index.fp16.json"
    found = part_weights("unet", [*shards, index])
    assert found is not None and (found.files, found.variant) == (shards, "fp16")
    assert part_weights("unet", [shards[0], index]) is None
    assert part_weights("unet", shards) is None, "no loader finds shards without their index"


def test_a_model_in_half_precision_alone_is_loaded_in_single(tmp_path: Path) -> None:
    half = load(str(make_half(copy_mini(tmp_path / "half"))), CPU, torch.float32)
    whole = load("mini", CPU, torch.float32)
    for part in WEIGHTS:
        ours, theirs = getattr(half, part).state_dict(), getattr(whole, part).state_dict()
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            assert torch.equal(ours[name], value.half().float() if value.is_floating_point() else value)


def test_a_model_in_half_precision_takes_its_turn_in_the_resident_modules(tmp_path: Path) -> None:
    folder = make_half(copy_mini(tmp_path / "half"))
    residence = Residence(CPU, torch.float32, budget=2**30)
    modules = residence.get("mini").unet
    assert residence.get(str(folder)).unet is modules
    stored = load_file(folder / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    assert torch.equal(modules.state_dict()["conv_in.weight"], stored["conv_in.weight"].float())


def test_shards_of_a_folder_are_loaded(tmp_path: Path) -> None:
    folder = copy_mini(tmp_path / "sharded")
    file = folder / "unet" / WEIGHTS["unet"]
    weights = load_file(file)
    file.unlink()
    names, places = sorted(weights), {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        shard = f"diffusion_pytorch_model-0000{number}-of-00002.safetensors"
        save_file({name: weights[name] for name in part}, file.with_name(shard), metadata={"format": "pt"})
        places |= dict.fromkeys(part, shard)
    index = {"metadata": {"total_size": 0}, "weight_map": places}
    file.with_name(f"{file.name}.index.json").write_text(json.dumps(index))
    unet = load(str(folder), CPU, torch.float32).unet
    assert all(torch.equal(value, weights[name]) for name, value in unet.state_dict().items())


@pytest.mark.parametrize("part", WEIGHTS)
def test_weights_that_lack_one_or_fit_no_configuration_are_refused(tmp_path: Path, part: str) -> None:
    folder = copy_mini(tmp_path / "odd")
    file = folder / part / WEIGHTS[part]
    weights = load_file(file)
    first, *others = sorted(weights)
    for odd, said in (
        ({name: weights[name] for name in others}, "lacks 1 of its weights"),
        ({**weights, first: torch.zeros(3)}, "don't fit"),
    ):
        file.unlink()
        save_file(odd, file, metadata={"format": "pt"})
        assert locate(str(folder)) == folder, "as a file, it is whole"
        with pytest.raises(ModelError, match=said) as caught:
            load(str(folder), CPU, torch.float32)
        assert caught.value.code == "base_incomplete"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("tokenizer/tokenizer.json", "version https://git-lfs.github.com/spec/v1"),
        ("scheduler/scheduler_config.json", '{"num_train_timesteps": "many"}'),
        ("vae/config.json", '{"block_out_channels": [128, 256, 256], "norm_num_groups": 0}'),
    ],
)
def test_files_that_make_no_sense_to_the_loaders_are_a_sentence(
    tmp_path: Path, file: str, content: str
) -> None:
    folder = copy_mini(tmp_path / "odd")
    (folder / file).write_text(content)
    with pytest.raises(ModelError, match=f"The {file.partition('/')[0]} of 'odd' can't be loaded") as caught:
        load(str(folder), CPU, torch.float32)
    assert caught.value.code == "base_incomplete"
