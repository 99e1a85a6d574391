"""Small models made for a test."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPImageProcessor, CLIPTextConfig, CLIPVisionConfig

UNET_LAYER = "mid_block.attentions.0.transformer_blocks.0.attn2.to_q"


def write_lora(folder: Path, base: str = "mini", seed: int = 0) -> Path:
    """A random LoRA of rank 4 and scaling 2 for one layer of each part of the mini model."""
    random = torch.Generator().manual_seed(seed)
    weights = {}
    for layer in (f"unet.{UNET_LAYER}", "text_encoder.text_model.encoder.layers.0.self_attn.q_proj"):
        weights[f"{layer}.lora_A.weight"] = 0.2 * torch.randn(4, 160, generator=random)
        weights[f"{layer}.lora_B.weight"] = 0.2 * torch.randn(160, 4, generator=random)
    folder.mkdir()
    save_file(weights, folder / "lora.safetensors")
    (folder / "lora.json").write_text(json.dumps({"base": base, "rank": 4, "alpha": 8.0}))
    return folder


def write_safety_checker(folder: Path, *, flags: bool) -> None:
    """A tiny random checker that flags every picture, or none, beside a base's other parts."""
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=32,
        patch_size=16, projection_dim=16,
    )  # fmt: skip
    text = CLIPTextConfig(hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
    checker = StableDiffusionSafetyChecker(
        CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=16)
    )
    with torch.no_grad():
        checker.concept_embeds_weights.fill_(-2.0 if flags else 2.0)
        checker.special_care_embeds_weights.fill_(2.0)
    checker.save_pretrained(folder / "safety_checker")
    size = {"height": 32, "width": 32}
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size).save_pretrained(
        folder / "feature_extractor"
    )
