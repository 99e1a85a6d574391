"""A full-size Stable Diffusion 1.5 with random weights: enough for speed and memory, no download needed.

`python -m benchmarks.full_size FOLDER` writes it in diffusers layout (4.3 GB in single precision).
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from inference.bases import MINI
from inference.layout import save_pipeline
from trainer.pretrain.architecture import build_scheduler


def write_full_size(folder: Path, tokenizer: Path = MINI / "tokenizer") -> None:
    """Write the model. Its vocabulary is the one of `tokenizer`: the ids only have to be valid."""
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        parts = {"text_encoder": _text_encoder(), "unet": _unet(), "vae": _vae()}
    pipeline = StableDiffusionPipeline(
        **parts,
        tokenizer=CLIPTokenizer.from_pretrained(tokenizer),
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    save_pipeline(pipeline, folder)


def _text_encoder() -> CLIPTextModel:
    """CLIP ViT-L/14's text side: 123 million parameters."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=49408,
            hidden_size=768,
            intermediate_size=3072,
            num_hidden_layers=12,
            num_attention_heads=12,
            max_position_embeddings=77,
        )
    )


def _unet() -> UNet2DConditionModel:
    """The UNet of v1.5: 860 million parameters; diffusers' defaults are its sizes but for these."""
    return UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)


def _vae() -> AutoencoderKL:
    """The 8x autoencoder: 84 million parameters."""
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        sample_size=512,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
    )


if __name__ == "__main__":
    write_full_size(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else MINI / "tokenizer")
