"""Base models by name, and what is refused before anything is loaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from inference.bases import MINI, locate, look_up, resolve
from inference.errors import ModelError
from tests.bases import copy_mini, edit
from tests.models import write_lora

UNET = "unet/diffusion_pytorch_model.safetensors"


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


def test_a_folder_brings_its_own_sizes_and_prediction(tmp_path: Path) -> None:
    folder = copy_mini(
        tmp_path / "own", unet={"sample_size": 32}, scheduler={"prediction_type": "v_prediction"}
    )
    base = look_up(str(folder)).base
    assert (base.resolution, base.size_step, base.prediction_type) == (128, 16, "v_prediction")


def test_a_model_shaped_like_mini_is_trained_like_mini(tmp_path: Path) -> None:
    same = copy_mini(tmp_path / "same")
    wider = copy_mini(tmp_path / "wider", unet={"layers_per_block": 2})
    lora = write_lora(tmp_path / "lora", base=str(same))
    assert [resolve(str(folder)).preset for folder in (same, wider, lora)] == ["mini", "lesson", "mini"]


@pytest.mark.parametrize(
    "name",
    ["sd99", "my models/abraza", "models/of/abraza", "~/abraza", "/nowhere/abraza", "x" * 300, "a\0/b"],
)
def test_what_is_neither_folder_nor_hub_id_is_answered_with_the_known_bases(name: str) -> None:
    for ask in (resolve, look_up, locate):
        with pytest.raises(ModelError, match=r"mini, sd15.*nor a folder, nor an id") as caught:
            ask(name)
        assert caught.value.code == "unknown_base"


def test_a_single_file_is_to_be_imported_first(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="trainer import"):
        look_up(str(tmp_path / "model.safetensors"))


def test_a_hub_model_that_cannot_be_had_is_said() -> None:
    for ask in (locate, look_up):
        with pytest.raises(ModelError, match="can't be reached") as caught:
            ask("somebody/some-model")
        assert caught.value.code == "base_unreachable"


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        ("model_index.json", {"_class_name": "StableDiffusionXLPipeline"}, "StableDiffusionXLPipeline"),
        ("model_index.json", {"_class_name": "FluxPipeline", "text_encoder": [None, None]}, "FluxPipeline"),
        ("model_index.json", {"text_encoder": ["transformers", "T5EncoderModel"]}, "works with"),
        ("unet/config.json", {"in_channels": 9}, "inpainting"),
        ("unet/config.json", {"in_channels": 7}, "7 to 4 channels"),
        ("unet/config.json", {"addition_embed_type": "text_time"}, "more than a text"),
        ("text_encoder/config.json", {"hidden_size": 768}, "768 and 160"),
        ("scheduler/scheduler_config.json", {"prediction_type": "sample"}, "'sample'"),
    ],
)
def test_another_architecture_is_named(
    tmp_path: Path, file: str, changes: dict[str, object], said: str
) -> None:
    folder = copy_mini(tmp_path / "other")
    edit(folder / file, **changes)
    for ask in (resolve, look_up, locate):
        with pytest.raises(ModelError, match=said) as caught:
            ask(str(folder))
        assert caught.value.code == "unsupported_architecture"


@pytest.mark.parametrize("file", ["model_index.json", "unet/config.json", "vae/config.json"])
@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b'{"text_encoder": []}', b'{"sample_size": "wide"}', b"\xff\xfe{}",
        b'{"a": ' + b"[" * 200_000, b'{"sample_size": 1e999, "block_out_channels": [1e999]}',
        b'{"sample_size": 64, "block_out_channels": [' + b"9" * 5000 + b"]}",
        b'{"block_out_channels": [' + b",".join([b"1"] * 5000) + b"]}", b" " * 2_000_000 + b"{}",
    ],
)  # fmt: skip
def test_nonsense_in_a_configuration_is_a_sentence(tmp_path: Path, file: str, content: bytes) -> None:
    folder = copy_mini(tmp_path / "torn")
    (folder / file).write_bytes(content)
    with pytest.raises(ModelError, match=r"can't be read|works with"):
        look_up(str(folder))


def test_a_folder_without_a_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no diffusers model") as caught:
        look_up(str(tmp_path))
    assert caught.value.code == "unknown_base"


def remove(path: str) -> Callable[[Path], None]:
    return lambda folder: (folder / path).unlink()


def write(path: str, content: bytes) -> Callable[[Path], None]:
    def put(folder: Path) -> None:
        (folder / path).unlink(missing_ok=True)
        (folder / path).write_bytes(content)

    return put


def rename(path: str, name: str) -> Callable[[Path], None]:
    return lambda folder: shutil.move(folder / path, (folder / path).with_name(name))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: shutil.rmtree(folder / "vae"), "vae/config.json"),
        (remove("unet/config.json"), "unet/config.json"),
        (remove(UNET), "lacks usable weights of: unet."),
        (rename(UNET, "diffusion_pytorch_model.bin"), "it has only diffusion_pytorch_model.bin"),
        (rename(UNET, "diffusion_pytorch_model-00001-of-00002.safetensors"), "some of its .safetensors"),
        (write(UNET, (MINI / UNET).read_bytes()[:-1]), "unet/.* is cut off or damaged"),
        (write(UNET, b"version https://git-lfs.github.com/spec/v1\nsize 12\n"), "git lfs pull"),
        (write(UNET, b""), "cut off or damaged"),
        (write(UNET, (2).to_bytes(8, "little") + b"{}"), "holds no weights"),
        (lambda folder: shutil.rmtree(folder / "tokenizer"), "no vocabulary"),
    ],
)
def test_missing_and_damaged_files_are_named(
    tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    damage(copy_mini(tmp_path / "torn"))
    for ask in (look_up, locate):
        with pytest.raises(ModelError, match=said) as caught:
            ask(str(tmp_path / "torn"))
        assert caught.value.code == "base_incomplete"


def test_a_cut_off_lora_is_refused_too(tmp_path: Path) -> None:
    lora = write_lora(tmp_path / "lora")
    assert look_up(str(lora)).files == "here"
    weights = lora / "lora.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelError, match="cut off"):
        look_up(str(lora))


def test_a_lora_is_looked_at_with_its_base(tmp_path: Path) -> None:
    base = copy_mini(tmp_path / "base")
    lora = write_lora(tmp_path / "lora", base=str(base))
    (base / UNET).unlink()
    with pytest.raises(ModelError, match="'base' lacks usable weights"):
        look_up(str(lora))
