"""What this device can do, found out by doing it once on a small scale."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import cache

import torch

from inference.model import Model
from trainer.events import Plan
from trainer.memory import Hardware, ModelSize, choose_plan
from trainer.spec import Recipe

_log = logging.getLogger("trainer")


def plan_for(model: Model, recipe: Recipe) -> Plan:
    """The memory plan of a recipe for a model that is already on its device."""
    return choose_plan(recipe, size_of(model), hardware(model.device))


def size_of(model: Model) -> ModelSize:
    """Parameters of the model's parts."""
    unet, text_encoder, vae = (
        sum(parameter.numel() for parameter in part.parameters())
        for part in (model.unet, model.text_encoder, model.vae)
    )
    return ModelSize(unet, text_encoder, vae, model.resolution)


def hardware(device: torch.device) -> Hardware:
    """Free memory counts what the model itself has taken: it is part of every plan's estimate."""
    if device.type != "cuda":
        return Hardware()
    free, _ = torch.cuda.mem_get_info(device)
    free += torch.cuda.memory_reserved(device)
    fast_bf16 = torch.cuda.get_device_capability(device) >= (8, 0)
    return Hardware(free / 2**30, "bf16" if fast_bf16 else "fp16", eight_bit_problem(device))


@cache
def eight_bit_problem(device: torch.device) -> str | None:
    """Why 8-bit AdamW doesn't work here, or None: one real step tells."""
    try:
        from bitsandbytes.optim import AdamW8bit

        weight = torch.nn.Parameter(torch.ones(4096, 4, device=device))
        weight.grad = torch.ones_like(weight)
        AdamW8bit([weight], lr=0.1).step()
        if not bool((weight < 1.0).all()):
            return "its step changed nothing"
    except ImportError:
        return "bitsandbytes is not installed"
    except Exception as error:  # a build for another CUDA fails in many ways
        _log.info("8-bit AdamW does not run", exc_info=True)
        return f"bitsandbytes fails with {type(error).__name__}"
    return None


@cache
def xformers_problem(device: torch.device, dtype: torch.dtype) -> str | None:
    """Why not to use xformers' attention here, or None.

    Forward and backward at the head sizes of Stable Diffusion tell whether it runs, and the largest of its
    layers whether it is any faster than PyTorch's own.
    """
    if device.type != "cuda":
        return "there is no GPU"
    try:
        from xformers.ops import memory_efficient_attention as theirs

        for head in (64, 80, 160):
            _seconds(theirs, device, dtype, tokens=64, head=head)
        slow = _seconds(theirs, device, dtype, tokens=4096, head=40)
    except ImportError:
        return "xformers is not installed"
    except Exception as error:  # no operator for this GPU, or a build for another CUDA
        return f"xformers fails with {type(error).__name__}"
    own = _seconds(_own_attention, device, dtype, tokens=4096, head=40)
    return (
        None if slow < 0.95 * own else f"xformers is no faster: {1e3 * slow:.2f} ms against {1e3 * own:.2f}"
    )


def _own_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """PyTorch's attention over xformers' order of dimensions, [N, tokens, heads, head]."""
    moved = (tensor.transpose(1, 2) for tensor in (query, key, value))
    return torch.nn.functional.scaled_dot_product_attention(*moved).transpose(1, 2)


def _seconds(
    attention: Callable[..., torch.Tensor],
    device: torch.device,
    dtype: torch.dtype,
    *,
    tokens: int,
    head: int,
) -> float:
    """Seconds that forward and backward take, the best of five."""
    query = torch.randn(2, tokens, 8, head, device=device, dtype=dtype, requires_grad=True)
    best = float("inf")
    for _ in range(5):
        torch.cuda.synchronize(device)
        began = time.monotonic()
        attention(query, query, query).sum().backward()
        torch.cuda.synchronize(device)
        best = min(best, time.monotonic() - began)
    return best
