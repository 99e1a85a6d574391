"""What only a GPU can show: the fused UNet computes what the plain one does, forward and backward."""

from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch.nn import functional

from inference.bases import MINI
from inference.fusing import kernels_problem
from inference.model import load

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
DEVICE = torch.device("cuda")


@pytest.mark.parametrize("silu", [False, True])
@pytest.mark.parametrize("shape", [(2, 320, 64, 64), (3, 64, 9, 7), (1, 1920, 16, 16)])
def test_group_norm(shape: tuple[int, ...], silu: bool) -> None:
    from inference.kernels import GroupNorm

    torch.manual_seed(0)
    x = (torch.randn(shape, device=DEVICE) * 3 + 1).to(memory_format=torch.channels_last).requires_grad_()
    weight, bias = (torch.randn(shape[1], device=DEVICE, requires_grad=True) for _ in range(2))
    slope = torch.randn(shape, device=DEVICE)
    plain = functional.group_norm(x, 32, weight, bias, 1e-5)
    if silu:
        plain = functional.silu(plain)
    ours = GroupNorm.apply(x, weight, bias, 32, 1e-5, silu)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-4)
    inputs = (x, weight, bias)
    for one, other in zip(
        torch.autograd.grad(ours, inputs, slope), torch.autograd.grad(plain, inputs, slope), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3 * float(other.abs().max()))


def test_the_kernels_run() -> None:
    assert kernels_problem(DEVICE) is None


def test_gate() -> None:
    from inference.kernels import Gate

    torch.manual_seed(0)
    both = torch.randn(2, 33, 2 * 1280, device=DEVICE, requires_grad=True)
    slope = torch.randn(2, 33, 1280, device=DEVICE)
    value, gate = both.chunk(2, dim=-1)
    plain = value * functional.gelu(gate)
    ours = Gate.apply(both)
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(
        torch.autograd.grad(ours, both, slope)[0], torch.autograd.grad(plain, both, slope)[0]
    )


def test_the_fused_unet_is_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    model = load(str(MINI), DEVICE, torch.float32)
    plain_unet = UNet2DConditionModel.from_pretrained(MINI / "unet").to(DEVICE).eval()
    assert model.unet.state_dict().keys() == plain_unet.state_dict().keys()
    torch.manual_seed(0)
    noisy = torch.randn(2, 4, 24, 24, device=DEVICE).to(memory_format=torch.channels_last)
    context = model.text_encoder(model.token_ids(["photo of a person", "a cat"])).last_hidden_state.detach()
    timesteps = torch.tensor([7, 900], device=DEVICE)
    slopes = []
    for unet in (plain_unet, model.unet):
        out = unet(noisy, timesteps, context).sample
        out.square().mean().backward()
        slopes.append((out.detach(), {name: weight.grad for name, weight in unet.named_parameters()}))
    (plain, plain_slopes), (ours, our_slopes) = slopes
    torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-3)
    for name, slope in plain_slopes.items():
        torch.testing.assert_close(our_slopes[name], slope, rtol=1e-2, atol=1e-2 * float(slope.abs().max()))
