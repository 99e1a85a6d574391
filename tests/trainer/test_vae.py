"""Another VAE in the base's place."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL

from inference.bases import MINI
from inference.model import load
from trainer.errors import TrainError
from trainer.vae import with_vae


def test_only_a_vae_of_the_same_latents_fits(tmp_path: Path) -> None:
    model = load(str(MINI), torch.device("cpu"), torch.float32)
    same = with_vae(model, str(MINI / "vae"))
    assert same.vae is not model.vae
    assert same.unet is model.unet
    AutoencoderKL(latent_channels=8, norm_num_groups=8, block_out_channels=(8,)).save_pretrained(tmp_path)
    nested = tmp_path / "nested"
    nested.mkdir()
    (nested / "config.json").write_text('{"sample_size": ' + "[" * 10_000 + "]" * 10_000 + "}")
    for name in (str(tmp_path), str(tmp_path / "nothing"), str(nested)):
        with pytest.raises(TrainError, match="VAE") as caught:
            with_vae(model, name)
        assert caught.value.code == "bad_vae"
