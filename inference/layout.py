"""Write a pipeline folder that every loader of Stable Diffusion reads, old stacks included."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from data.disk import replacing_folder

_PREFIX = "text_model."


def save_pipeline(pipeline: StableDiffusionPipeline, folder: Path) -> None:
    """Save in diffusers layout: written beside, then renamed, so `folder` is never half a model.

    An older folder of that name is replaced. Raises OSError when the disk is full, and leaves nothing behind.
    """
    with replacing_folder(folder) as incoming:
        pipeline.save_pretrained(incoming, safe_serialization=True)
        prefix_text_encoder(incoming / "text_encoder" / "model.safetensors")
        write_bpe_files(incoming / "tokenizer")


def prefix_text_encoder(file: Path) -> None:
    """Give the text encoder's weights the names that transformers before 5.6 looks for.

    Without the `text_model.` prefix older loaders ignore them with a mere warning, and draw with random
    text weights.
    """
    weights = load_file(file)
    if all(name.startswith(_PREFIX) for name in weights):
        return
    save_file({_prefixed(name): tensor for name, tensor in weights.items()}, file, metadata={"format": "pt"})


def _prefixed(name: str) -> str:
    return name if name.startswith(_PREFIX) else _PREFIX + name


def write_bpe_files(folder: Path) -> None:
    """Put `vocab.json` and `merges.txt` beside `tokenizer.json`, which alone older loaders can't read."""
    model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    vocabulary = json.dumps(model["vocab"], ensure_ascii=False)
    (folder / "vocab.json").write_text(vocabulary, encoding="utf-8")
    pairs = (pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"])
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(pairs) + "\n", encoding="utf-8")


def save_half(pipeline: StableDiffusionPipeline, folder: Path) -> None:
    """Save in half precision, to be used in single: the text encoder's config says so.

    transformers loads weights in the precision that the config names; diffusers' parts come in single. Moves
    the pipeline to the CPU and to half precision.
    """
    pipeline.to("cpu", torch.float16)
    save_pipeline(pipeline, folder)
    config = folder / "text_encoder" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "dtype": "float32"}, indent=2) + "\n")
