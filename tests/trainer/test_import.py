"""What can be imported, by kind of file; and what is said of files that are something else."""

from __future__ import annotations

import json
import shutil
import struct
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from inference.bases import MINI
from inference.errors import ModelError
from tests.bases import copy_mini
from tests.trainer.test_export import PARTS, quiet, same, weights
from tests.trainer.test_export_lora import write_lora
from trainer.export import config_of, export
from trainer.export_names import entries
from trainer.importing import import_file

Tensors = dict[str, torch.Tensor]
UNET, TEXT, VAE = "model.diffusion_model.", "cond_stage_model.transformer.text_model.", "first_stage_model."


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Tensors:
    """A model of the mini model's shape in the original names, but with half of its values."""
    file = tmp_path_factory.mktemp("original") / "mini.safetensors"
    export("mini", "safetensors", file, half=False, emit=quiet)
    return {name: tensor * 0.5 for name, tensor in load_file(file).items()}


def expected(parts: tuple[str, ...] = PARTS, dtype: torch.dtype | None = None) -> Tensors:
    """The mini model with halved values in `parts`, which went through `dtype`."""
    found = weights(MINI)
    for name in found:
        if name.startswith(parts):
            found[name] = found[name] * 0.5
            found[name] = found[name].to(dtype).half() if dtype else found[name]
    return found


def renamed(tensors: Tensors, old: str, new: str) -> Tensors:
    return {
        new + name.removeprefix(old) if name.startswith(old) else name: tensor
        for name, tensor in tensors.items()
    }


def without(tensors: Tensors, *prefixes: str) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(prefixes)}


def averaged(tensors: Tensors) -> Tensors:
    return {
        "model_ema." + name.removeprefix("model.").replace(".", "") if name.startswith(UNET) else name: tensor
        for name, tensor in tensors.items()
    }


def as_openclip(tensors: Tensors) -> Tensors:
    """The text encoder under OpenCLIP's names, as Stable Diffusion 2.x has them."""
    names = [f"text_encoder.text_model.{name.removeprefix(TEXT)}" for name in tensors if TEXT in name]
    joined = {
        entry.name: torch.cat([tensors[TEXT + name.partition("text_model.")[2]] for name in entry.sources])
        for entry in entries(names, {}, {}, {"hidden_act": "gelu"})
    }
    return without(tensors, TEXT) | joined


def in_diffusers_names(_: Tensors) -> Tensors:
    return {
        name.removeprefix("unet."): tensor * 0.5
        for name, tensor in weights(MINI).items()
        if name.startswith("unet.")
    }


def in_eight_bits(dtype: torch.dtype) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {name: tensor.to(dtype) for name, tensor in tensors.items()}


WHOLE: list[tuple[str, Callable[[Tensors], Tensors], tuple[str, ...], torch.dtype | None]] = [
    ("as it is", dict, PARTS, None),
    ("half precision", lambda it: {name: tensor.half() for name, tensor in it.items()}, PARTS, torch.float16),
    ("fp8 e4m3", in_eight_bits(torch.float8_e4m3fn), PARTS, torch.float8_e4m3fn),
    ("fp8 e5m2", in_eight_bits(torch.float8_e5m2), PARTS, torch.float8_e5m2),
    ("no text_model. level", lambda it: renamed(it, TEXT, TEXT.replace("text_model.", "")), PARTS, None),
    ("position_ids", lambda it: it | {TEXT + "embeddings.position_ids": torch.arange(77)[None]}, PARTS, None),
    ("OpenCLIP's names", as_openclip, PARTS, None),
    ("below module.", lambda it: renamed(it, "", "module."), PARTS, None),
    ("below state_dict.", lambda it: renamed(it, "", "state_dict."), PARTS, None),
    ("averaged weights alone", averaged, PARTS, None),
    ("averaged weights, too", lambda it: {n: t * 0 for n, t in averaged(it).items()} | it, PARTS, None),
    ("no VAE", lambda it: without(it, VAE), ("unet", "text_encoder"), None),
    ("no text encoder", lambda it: without(it, TEXT), ("unet", "vae"), None),
    ("a UNet alone", lambda it: renamed(without(it, TEXT, VAE), UNET, ""), ("unet",), None),
    ("diffusers' UNet alone", in_diffusers_names, ("unet",), None),
]


@pytest.mark.parametrize(
    ("make", "parts", "dtype"), [row[1:] for row in WHOLE], ids=[row[0] for row in WHOLE]
)
def test_a_model_comes_in_under_all_names_and_in_all_precisions(
    original: Tensors,
    tmp_path: Path,
    make: Callable[[Tensors], Tensors],
    parts: tuple[str, ...],
    dtype: torch.dtype | None,
) -> None:
    made = {name: tensor.contiguous() for name, tensor in make(original).items()}
    save_file(made, tmp_path / "a.safetensors")
    import_file(tmp_path / "a.safetensors", "mini", tmp_path / "out", emit=quiet)
    assert same(weights(tmp_path / "out"), expected(parts, dtype))


def lightning(tensors: Tensors, monkeypatch: pytest.MonkeyPatch) -> object:
    """A checkpoint as Lightning writes it: with classes and numbers that are no plain data."""
    module = ModuleType("pytorch_lightning")
    made: dict[str, type] = {}
    for name, parent in (("ModelCheckpoint", object), ("AttributeDict", dict)):
        made[name] = type(name, (parent,), {"__module__": module.__name__})
        setattr(module, name, made[name])
    monkeypatch.setitem(sys.modules, module.__name__, module)
    callback = made["ModelCheckpoint"]()
    callback.best = 3
    return {
        "callbacks": {made["ModelCheckpoint"]: {"best": np.float64(0.5), "kind": np.dtype("float32")}},
        "hyper_parameters": made["AttributeDict"](rate=1e-6, other=defaultdict(list, {"a": [1]})),
        "objects": [callback, {1, 2}, Path("logs"), np.ones(3)],
        "state_dict": {name: torch.nn.Parameter(tensor) for name, tensor in tensors.items()},
    }


@pytest.mark.parametrize(
    ("file", "zipped", "key"),
    [
        ("a.ckpt", True, "state_dict"), ("a.CKPT", False, "state_dict"), ("a.pt", True, "model"),
        ("a.pth", False, None), ("a.bin", True, None), ("a.safetensors", True, None),
        ("a.ckpt", True, "lightning"), ("a.ckpt", False, "lightning"),
    ],
)  # fmt: skip
def test_pickles_of_all_kinds_come_in_whatever_their_name_ends_in(
    original: Tensors,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    zipped: bool,
    key: str | None,
) -> None:
    content = lightning(original, monkeypatch) if key == "lightning" else {key: original} if key else original
    torch.save(content, tmp_path / file, _use_new_zipfile_serialization=zipped)
    monkeypatch.undo()  # who imports has no Lightning
    import_file(tmp_path / file, "mini", tmp_path / "out", emit=quiet)
    assert same(weights(tmp_path / "out"), expected())


def test_a_safetensors_file_comes_in_under_another_name(original: Tensors, tmp_path: Path) -> None:
    save_file(original, tmp_path / "a.ckpt")
    import_file(tmp_path / "a.ckpt", "mini", tmp_path / "out", emit=quiet)
    assert same(weights(tmp_path / "out"), expected())


def test_a_folder_that_has_only_half_precision_becomes_one_that_every_loader_reads(tmp_path: Path) -> None:
    StableDiffusionPipeline.from_pretrained(MINI).to(torch.float16).save_pretrained(
        tmp_path / "half", variant="fp16"
    )
    import_file(tmp_path / "half", "mini", tmp_path / "out", emit=quiet)
    StableDiffusionPipeline.from_pretrained(tmp_path / "out")
    halves = {name: tensor.half() for name, tensor in weights(MINI).items()}
    assert same(weights(tmp_path / "out"), halves)


def test_a_folder_whose_weights_are_in_several_files_becomes_one_that_every_loader_reads(
    tmp_path: Path,
) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(MINI)
    pipeline.save_pretrained(tmp_path / "parts", max_shard_size="8MB")
    assert list((tmp_path / "parts/unet").glob("*.index.json"))
    import_file(tmp_path / "parts", "mini", tmp_path / "out", emit=quiet)
    StableDiffusionPipeline.from_pretrained(tmp_path / "out")
    assert same(weights(tmp_path / "out"), {n: t.float() for n, t in weights(MINI).items()})


def test_a_folder_that_has_a_bases_name_is_imported_and_not_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_mini(tmp_path / "mini", scheduler={"prediction_type": "v_prediction"})
    monkeypatch.chdir(tmp_path)
    import_file(Path("mini"), "mini", Path("out"), emit=quiet)
    assert config_of(Path("out"), "scheduler", "scheduler_config.json")["prediction_type"] == "v_prediction"


@pytest.mark.parametrize("names", ["kohya", "peft", "diffusers", "early diffusers"])
def test_a_lora_is_merged_into_the_base(tmp_path: Path, names: str) -> None:
    ours = write_lora(tmp_path / "lora")
    if names == "kohya":
        export(str(ours), "lora", tmp_path / "a.safetensors", half=False, emit=quiet)
    else:
        down, up = {
            "peft": (".lora_A", ".lora_B"), "diffusers": (".lora.down", ".lora.up"),
            "early diffusers": ("_lora.down", "_lora.up"),
        }[names]  # fmt: skip
        tensors = {}
        for name, tensor in load_file(ours / "lora.safetensors").items():
            stem, _, _ = name.rpartition(".lora_")
            if names == "early diffusers":
                stem = stem.replace(".to_", ".processor.to_").replace("to_out.0", "to_out")
            is_down = name.endswith("lora_A.weight")
            # Ours has alpha = 2 x rank. Theirs say nothing, which is alpha = rank; or the metadata tell it.
            scale = 1 if is_down or names == "diffusers" else 2
            tensors[f"{stem}{down if is_down else up}.weight"] = tensor * scale
        said = {"lora_adapter_metadata": '{"unet.lora_alpha": 8, "text_encoder.lora_alpha": 8}'}
        save_file(tensors, tmp_path / "a.safetensors", said if names == "diffusers" else None)
    import_file(tmp_path / "a.safetensors", "mini", tmp_path / "out", emit=quiet)
    import_file(ours, "mini", tmp_path / "merged", emit=quiet)
    there, wanted = weights(tmp_path / "out"), weights(tmp_path / "merged")
    assert max(float((there[name] - wanted[name]).abs().max()) for name in wanted) < 1e-6


def test_a_lora_of_convolutions_is_merged_with_the_scale_of_each(tmp_path: Path) -> None:
    layer, rank = "down_blocks.0.resnets.0.conv1", 2
    before = weights(MINI)[f"unet.{layer}.weight"].float()
    rows, columns, *kernel = before.shape
    down, up = torch.randn(rank, columns, *kernel), torch.randn(rows, rank, 1, 1)
    stem = f"lora_unet_{layer.replace('.', '_')}"
    made = {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up}
    save_file(made | {f"{stem}.alpha": torch.tensor(1.0)}, tmp_path / "a.safetensors")
    import_file(tmp_path / "a.safetensors", "mini", tmp_path / "out", emit=quiet)
    product = torch.einsum("rcxy,or->ocxy", down, up[:, :, 0, 0]) / 2
    torch.testing.assert_close(weights(tmp_path / "out")[f"unet.{layer}.weight"], before + product)


@pytest.mark.parametrize(
    ("rank", "metadata", "said"),
    [
        (2, '{"unet.use_rslora": true}', "rsLoRA"),
        (2, '{"unet.alpha_pattern": {"to_q": 4}}', "one for each layer"),
        (2, '{"unet.lora_alpha": [8]}', "can't be read"),
        (2, "[" * 100_000, "can't be read"),
        (2, "alpha 8", "can't be read"),
        (0, "{}", "another kind of model"),
    ],
)
def test_a_lora_whose_scales_are_not_known_is_not_merged_with_wrong_ones(
    tmp_path: Path, rank: int, metadata: str, said: str
) -> None:
    layer = next(name for name in weights(MINI) if name.endswith("attn1.to_q.weight")).removesuffix(".weight")
    side = len(weights(MINI)[f"{layer}.weight"])
    made = {
        f"{layer}.lora_A.weight": torch.ones(rank, side),
        f"{layer}.lora_B.weight": torch.ones(side, rank),
    }
    save_file(made, tmp_path / "a.safetensors", {"lora_adapter_metadata": metadata})
    assert said in refusal(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("metadata", "mark", "prediction"),
    [
        ({"modelspec.prediction_type": "v"}, False, "v_prediction"),
        ({"modelspec.prediction_type": "epsilon"}, False, "epsilon"),
        ({}, True, "v_prediction"),
        ({}, False, "epsilon"),
    ],
)
def test_how_the_output_is_read_comes_from_the_file_or_else_the_base(
    original: Tensors, tmp_path: Path, metadata: dict[str, str], mark: bool, prediction: str
) -> None:
    marked = original | ({"v_pred": torch.zeros(0)} if mark else {})
    save_file(marked, tmp_path / "a.safetensors", metadata)
    import_file(tmp_path / "a.safetensors", "mini", tmp_path / "out", emit=quiet)
    assert config_of(tmp_path / "out", "scheduler", "scheduler_config.json")["prediction_type"] == prediction


def refusal(file: Path, base: str = "mini") -> str:
    """What is said of a file, which leaves nothing behind."""
    before = sorted(file.parent.iterdir())
    with pytest.raises(ModelError) as caught:
        import_file(file, base, file.parent / "out", emit=quiet)
    assert sorted(file.parent.iterdir()) == before
    return caught.value.message


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["lora_unet_mid_block.hada_w1_a"], "LyCORIS"),
        (["lora_unet_mid_block.alpha"], "LyCORIS"),
        (["lora_unet_double_blocks_0.lora_down.weight", "lora_unet_double_blocks_0.lora_up.weight"],
         "LoRA for another kind"),
        (["emb_params"], "embedding"),
        (["<abraza>"], "embedding"),
        (["string_to_param.*"], "embedding"),
        (["control_model.input_hint_block.0.weight", UNET + "input_blocks.0.0.weight"], "ControlNet"),
        (["controlnet_cond_embedding.conv_in.weight"], "ControlNet"),
        ([VAE + "decoder.mid.block_1.norm1.weight"], "VAE alone"),
        (["decoder.mid_block.resnets.0.norm1.weight", "encoder.conv_in.weight"], "VAE alone"),
        (["text_model.embeddings.token_embedding.weight"], "encoder alone"),
        (["params_ema.conv_first.weight"], "upscaler"),
        (["model.1.sub.0.RDB1.conv1.0.weight"], "upscaler"),
        (["conditioner.embedders.1.model.ln_final.weight", UNET + "input_blocks.0.0.weight"], "SDXL"),
        ([UNET + "joint_blocks.0.context_block.attn.qkv.weight"], "Stable Diffusion 3"),
        (["double_blocks.0.img_attn.qkv.weight"], "FLUX"),
        ([UNET + "cap_embedder.0.weight"], "Z-Image"),
        (["ip_adapter.1.to_k_ip.weight"], "IP-Adapter"),
        (["down_blocks.0.motion_modules.0.norm.weight"], "AnimateDiff"),
        ([UNET + "input_blocks.0.0.weight", "scaled_fp8"], "quantised"),
        (["something.quite.different.weight"], "no Stable Diffusion model"),
    ],
)  # fmt: skip
def test_another_kind_of_file_is_called_by_its_name(tmp_path: Path, names: list[str], said: str) -> None:
    save_file({name: torch.zeros(4, 4) for name in names}, tmp_path / "a.safetensors")
    assert said in refusal(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (UNET + "input_blocks.0.0.weight", lambda it: it.repeat(1, 3, 1, 1)[:, :9], "inpainting"),
        (UNET + "input_blocks.0.0.weight", lambda it: it.repeat(1, 2, 1, 1), "InstructPix2Pix"),
        (UNET + "input_blocks.0.0.weight", lambda it: it.repeat(1, 2, 1, 1)[:, :5], "depth"),
        (UNET + "middle_block.1.transformer_blocks.0.attn2.to_k.weight",
         lambda it: it.repeat(1, 7)[:, :1024], "--base sd21"),
        (UNET + "out.2.bias", lambda it: it[:2], "another architecture"),
        (UNET + "out.2.bias", lambda it: it.int(), "quantised"),
        (UNET + "out.2.bias", lambda it: it * torch.nan, "NaN"),
        (VAE + "decoder.conv_in.bias", lambda it: it + torch.inf, "NaN or infinite"),
    ],
)  # fmt: skip
def test_a_model_that_does_not_fit_is_refused_with_what_it_is(
    original: Tensors,
    tmp_path: Path,
    name: str,
    change: Callable[[torch.Tensor], torch.Tensor],
    said: str,
) -> None:
    changed = original | {name: change(original[name]).contiguous()}
    # The widths of all cross-attentions are alike: the first one is looked at.
    if "attn2" in name:
        changed = {n: changed[name] if n.endswith("attn2.to_k.weight") else t for n, t in changed.items()}
        changed = {n: t.clone() for n, t in changed.items()}
    save_file(changed, tmp_path / "a.safetensors")
    assert said in refusal(tmp_path / "a.safetensors")


def safetensors(header: bytes, data: bytes = b"\0" * 8) -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def header(**entries: object) -> bytes:
    return json.dumps(entries).encode()


def tensor(begin: int, end: int, *shape: int) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html><body>Log in</body></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n", "git lfs pull"),
        (b'{"_class_name": "StableDiffusionPipeline"}', "JSON"),
        (b"GGUF\x03\0\0\0" + b"\0" * 90, "GGUF"),
        (b"PK\x03\x04" + b"\0" * 90, "damaged or cut off"),
        (b"\x80\x02}q\x00", "damaged or cut off"),
        (bytes(range(97, 120)) * 9, "neither"),
        (safetensors(b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}"), "damaged or cut off"),
        (safetensors(header(a=tensor(0, 800, 200))), "damaged or cut off"),
        (
            safetensors(header(a=tensor(0, 8, 2), b=tensor(4, 8, 1))),
            "damaged or cut off",
        ),
        (safetensors(header(a=tensor(0, 8, -2))), "damaged or cut off"),
        (safetensors(header(a=tensor(0, 8, 2**62, 8))), "damaged or cut off"),
        (safetensors(header(a=tensor(0, 8, 2)).ljust(2**24 + 1)), "no model needs"),
        (safetensors(b"{}", b""), "no weights"),
    ],
)
def test_a_file_that_holds_no_weights_is_told_from_one_that_does(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    assert said in refusal(tmp_path / "a.safetensors")


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    shutil.copytree(MINI, tmp_path / "half", ignore=lambda *_: ["vae"])
    assert "vae" in refusal(tmp_path / "half")
