"""The drawn pictures and their captions, kept in a work folder so that a later run goes on with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import CLIPTokenizer

from data.toys import dataset
from trainer.pretrain.architecture import RESOLUTION, TOKENS, build_tokenizer


def drawn(work: Path, count: int, seed: int, workers: int) -> tuple[np.ndarray, list[str]]:
    """Pictures uint8 [N,96,96,3] and their captions; drawn once, then read from `work`."""
    file = work / "drawn.npz"
    if not file.exists():
        pictures, captions = dataset(count, seed=seed, size=RESOLUTION, workers=workers)
        incoming = work / "drawn.incoming.npz"
        np.savez(incoming, pictures=pictures, captions=np.array(captions))
        incoming.rename(file)
    with np.load(file) as stored:
        return stored["pictures"], [str(caption) for caption in stored["captions"]]


def tokenizer_for(work: Path, captions: list[str]) -> CLIPTokenizer:
    """The vocabulary learned from the captions; learned once, then read from `work`."""
    folder = work / "tokenizer"
    if (folder / "merges.txt").exists():
        return CLIPTokenizer(
            vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"), model_max_length=TOKENS
        )
    return build_tokenizer(captions, folder)


def token_ids(tokenizer: CLIPTokenizer, captions: list[str]) -> torch.Tensor:
    """Captions as ids, int32 [N,77]."""
    encoded = tokenizer(
        captions, padding="max_length", truncation=True, max_length=TOKENS, return_tensors="np"
    )
    return torch.from_numpy(encoded.input_ids.astype(np.int32))


def to_unit(pictures: torch.Tensor) -> torch.Tensor:
    """uint8 [N,H,W,3] to float32 [N,3,H,W] in -1..1."""
    return pictures.permute(0, 3, 1, 2).float().div(127.5).sub(1.0)
