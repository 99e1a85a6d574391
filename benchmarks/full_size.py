"""A full-size Stable Diffusion with random weights: enough for speed and memory, no download needed.

`python -m benchmarks.full_size FOLDER` writes it in diffusers layout (4.3 GB in single precision).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from data.disk import is_free
from inference.bases import MINI
from inference.layout import save_pipeline
from trainer.pretrain.architecture import build_scheduler

Version = Literal["1.5", "2.1"]


def write_full_size(folder: Path, version: Version = "1.5", tokenizer: Path = MINI / "tokenizer") -> None:
    """Write the model: 1.5 at 512 pixels, or 2.1 at 768 with v-prediction.

    Its vocabulary is the one of `tokenizer`: the ids only have to be valid.
    """
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        parts = {"text_encoder": _text_encoder(version), "unet": _unet(version), "vae": _vae()}
    scheduler = build_scheduler()
    if version == "2.1":
        scheduler.register_to_config(prediction_type="v_prediction")
    pipeline = StableDiffusionPipeline(
        **parts,
        tokenizer=CLIPTokenizer.from_pretrained(tokenizer),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    save_pipeline(pipeline, folder)


def _text_encoder(version: Version) -> CLIPTextModel:
    """CLIP ViT-L/14's text side (123 million parameters), or OpenCLIP ViT-H/14's without its last layer."""
    versions: dict[str, dict[str, Any]] = {
        "1.5": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12},
        "2.1": {
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_hidden_layers": 23,
            "hidden_act": "gelu",
        },
    }
    sizes = versions[version]
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=49408,
            num_attention_heads=sizes["hidden_size"] // 64,
            max_position_embeddings=77,
            **sizes,
        )
    )


def _unet(version: Version) -> UNet2DConditionModel:
    """The UNet (some 860 million parameters); diffusers' defaults are its sizes but for these."""
    if version == "1.5":
        return UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
    return UNet2DConditionModel(
        sample_size=96,
        cross_attention_dim=1024,
        attention_head_dim=(5, 10, 20, 20),
        use_linear_projection=True,
        upcast_attention=True,
    )


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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full_size", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--version", choices=("1.5", "2.1"), default="1.5")
    arguments = parser.parse_args()
    if not is_free(arguments.folder):
        parser.error(f"{arguments.folder} holds other files: choose a new folder")
    write_full_size(arguments.folder, arguments.version)
