"""The base's own safety checker, where it ships one: what it flags is blurred beyond recognition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image, ImageFilter
from transformers import CLIPImageProcessor

from inference.errors import ModelError
from inference.weights import CHECKER, weights_in


class SafetyChecker:
    """Loaded from a base's folder: `safety_checker/` and `feature_extractor/`."""

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        """Raises ModelError(base_incomplete) when files are missing or broken."""
        try:
            weights = weights_in(folder, CHECKER)
            checker = StableDiffusionSafetyChecker.from_pretrained(
                folder / CHECKER, variant=weights.variant if weights else None, dtype=dtype
            )
            self._extract = CLIPImageProcessor.from_pretrained(folder / "feature_extractor")
        except (OSError, ValueError, RecursionError) as error:
            raise ModelError(
                "base_incomplete", f"The safety checker of {folder.name!r} is incomplete or can't be read."
            ) from error
        self._checker = checker.to(device).eval()

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Whether a base ships one."""
        return (folder / CHECKER / "config.json").is_file()

    @torch.inference_mode()
    def check(self, picture: Image.Image) -> tuple[Image.Image, bool]:
        """The picture, or a blur of it, and whether it was flagged."""
        parameter = next(self._checker.parameters())
        clip = self._extract(picture, return_tensors="pt").pixel_values.to(parameter.device, parameter.dtype)
        pixels = np.asarray(picture, np.float32)[None] / 255
        _, flagged = self._checker(clip_input=clip, images=pixels)
        return (blurred(picture), True) if flagged[0] else (picture, False)


def blurred(picture: Image.Image) -> Image.Image:
    """A blur that leaves a few colours and no form."""
    few = picture.resize((4, 4), Image.Resampling.BOX).resize(picture.size, Image.Resampling.BICUBIC)
    return few.filter(ImageFilter.GaussianBlur(max(picture.size) / 16))
