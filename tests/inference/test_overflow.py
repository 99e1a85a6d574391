"""A VAE that overflows gives no black picture: it is decoded again in single precision, or refused."""

from __future__ import annotations

import copy
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from inference.bases import MINI
from inference.engine import Engine
from inference.errors import ModelError
from inference.model import Model, load
from inference.requests import DrawEvent, DrawFailed, DrawRequest
from inference.sampler import Brush, draw

CPU = torch.device("cpu")
BRUSH = Brush(steps=1, guidance=1.0, width=96, height=96)


def picture(model: Model) -> np.ndarray:
    (drawn,) = draw(model, ["photo of a person"], [""], [3], BRUSH, lambda _: None)
    return np.asarray(drawn, np.int16)


@pytest.fixture
def large() -> Model:
    """Its VAE works with values that half precision can't hold; where it ends, they are small again."""
    model = load("mini", CPU, torch.float32)
    model.vae.post_quant_conv.weight.data.mul_(3e4)
    return model


def test_a_vae_that_overflows_in_half_precision_decodes_in_single(large: Model) -> None:
    half = replace(large, vae=copy.deepcopy(large.vae).half())
    assert np.abs(picture(half) - picture(large)).max() <= 2
    assert half.vae.dtype == torch.float16  # and stays as it is for the next picture


def test_a_vae_that_makes_no_numbers_at_all_is_an_error(large: Model) -> None:
    large.vae.decoder.conv_out.bias.data.fill_(torch.inf)
    with pytest.raises(ModelError) as caught:
        picture(large)
    assert caught.value.code == "not_finite"


def test_a_broken_vae_harms_no_other_request(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(MINI, broken)
    file = broken / "vae/diffusion_pytorch_model.safetensors"
    save_file({**load_file(file), "decoder.conv_out.bias": torch.full((3,), torch.nan)}, file)
    events: list[DrawEvent] = []
    values = {"id": "1", "prompt": "a face", "steps": 1, "seed": 1, "count": 1, "previews": True}
    engine = Engine(CPU)
    for model in (str(broken), "mini"):
        request = DrawRequest.model_validate({**values, "model": model, "out": str(tmp_path / "out")})
        engine.run(request, events.append, lambda: False)
    (failed,) = (event for event in events if isinstance(event, DrawFailed))
    assert failed.code == "not_finite"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["0.png"]
