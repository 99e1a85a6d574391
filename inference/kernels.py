"""Triton kernels for what a UNet spends its time on beside matrices. Only imported where there is a GPU.

PyTorch's group norm wants pictures plane by plane, while convolutions are fastest with all channels of a
pixel side by side: each norm would cost two copies. These read and write pixels as they lie, and activate on
the way.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

_TILE = 4096
"""Values that a program holds at once."""
_GATE_BLOCK = 1024


class GroupNorm(torch.autograd.Function):
    """Group norm, with SiLU if asked, over [N,C,H,W] in channels_last; see torch.nn.functional.group_norm."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        groups: int,
        epsilon: float,
        silu: bool,
    ) -> torch.Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        y = torch.empty_like(x)
        count, channels, height, width = x.shape
        mean, spread = (torch.empty(count, groups, device=x.device) for _ in range(2))
        shape = _shape(height * width, channels // groups)
        _norm[(groups, count)](
            x, y, weight, bias, mean, spread, height * width, channels, epsilon, silu=silu, **shape
        )
        ctx.save_for_backward(x, weight, bias, mean, spread)
        ctx.silu, ctx.shape = silu, shape
        return y

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, bias, mean, spread = ctx.saved_tensors
        slope = slope.contiguous(memory_format=torch.channels_last)
        count, channels, height, width = x.shape
        down = torch.empty_like(x)
        of_weight, of_bias = (torch.empty(count, channels, device=x.device) for _ in range(2))
        _norm_backward[(mean.shape[1], count)](
            x, slope, down, weight, bias, mean, spread, of_weight, of_bias, height * width, channels,
            silu=ctx.silu, **ctx.shape,
        )  # fmt: skip
        learns = ctx.needs_input_grad[1]
        return (
            down,
            of_weight.sum(0).to(weight.dtype) if learns else None,
            of_bias.sum(0).to(bias.dtype) if learns else None,
            None,
            None,
            None,
        )


class Gate(torch.autograd.Function):
    """GEGLU's gate (arXiv:2002.05202): the first half of the last dimension times GELU of the second."""

    @staticmethod
    def forward(ctx: Any, both: torch.Tensor) -> torch.Tensor:
        both = both.contiguous()
        width = both.shape[-1] // 2
        out = both.new_empty(*both.shape[:-1], width)
        _gate[_gate_grid(out)](both, out, width, block=_GATE_BLOCK)
        ctx.save_for_backward(both)
        return out

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> torch.Tensor:
        (both,) = ctx.saved_tensors
        slope = slope.contiguous()
        down = torch.empty_like(both)
        _gate_backward[_gate_grid(slope)](both, slope, down, slope.shape[-1], block=_GATE_BLOCK)
        return down


def _shape(pixels: int, width: int) -> dict[str, int]:
    """A tile's sides for groups of `width` channels."""
    padded = triton.next_power_of_2(width)
    rows = min(triton.next_power_of_2(pixels), max(1, _TILE // padded))
    return {"width": width, "padded": padded, "rows": rows, "num_warps": 8 if rows * padded >= 2048 else 4}


def _gate_grid(out: torch.Tensor) -> tuple[int, int]:
    width = out.shape[-1]
    return out.numel() // width, triton.cdiv(width, _GATE_BLOCK)


@triton.jit(do_not_specialize=["width"])  # else each group width would be compiled twice
def _norm(
    x, y, weight, bias, means, spreads, pixels, channels, epsilon,
    width, silu: tl.constexpr, padded: tl.constexpr, rows: tl.constexpr,
):  # fmt: skip
    group, picture = tl.program_id(0), tl.program_id(1)
    row, lane = tl.arange(0, rows), tl.arange(0, padded)
    inside = lane < width
    first = picture.to(tl.int64) * pixels * channels + group * width
    at = row[:, None] * channels + lane[None, :]
    total = tl.zeros([rows, padded], tl.float32)
    squares = tl.zeros([rows, padded], tl.float32)
    for start in range(0, pixels, rows):
        mask = (start + row < pixels)[:, None] & inside[None, :]
        value = tl.load(x + first + start * channels + at, mask=mask, other=0.0).to(tl.float32)
        total += value
        squares += value * value
    count = pixels * width
    mean = tl.sum(tl.sum(total, 1), 0) / count
    variance = tl.maximum(tl.sum(tl.sum(squares, 1), 0) / count - mean * mean, 0.0)
    spread = 1.0 / tl.sqrt(variance + epsilon)
    scale = tl.load(weight + group * width + lane, mask=inside, other=0.0).to(tl.float32) * spread
    shift = tl.load(bias + group * width + lane, mask=inside, other=0.0).to(tl.float32) - mean * scale
    for start in range(0, pixels, rows):
        mask = (start + row < pixels)[:, None] & inside[None, :]
        here = first + start * channels + at
        out = tl.load(x + here, mask=mask, other=0.0).to(tl.float32) * scale[None, :] + shift[None, :]
        if silu:
            out = out * tl.sigmoid(out)
        tl.store(y + here, out.to(y.dtype.element_ty), mask=mask)
    place = picture * tl.num_programs(0) + group
    tl.store(means + place, mean)
    tl.store(spreads + place, spread)


@triton.jit(do_not_specialize=["width"])
def _norm_backward(
    x, slopes, down, weight, bias, means, spreads, of_weight, of_bias, pixels, channels,
    width, silu: tl.constexpr, padded: tl.constexpr, rows: tl.constexpr,
):  # fmt: skip
    group, picture = tl.program_id(0), tl.program_id(1)
    row, lane = tl.arange(0, rows), tl.arange(0, padded)
    inside = lane < width
    first = picture.to(tl.int64) * pixels * channels + group * width
    at = row[:, None] * channels + lane[None, :]
    place = picture * tl.num_programs(0) + group
    mean, spread = tl.load(means + place), tl.load(spreads + place)
    scale = tl.load(weight + group * width + lane, mask=inside, other=0.0).to(tl.float32)
    shift = tl.load(bias + group * width + lane, mask=inside, other=0.0).to(tl.float32)
    sums = tl.zeros([rows, padded], tl.float32)
    products = tl.zeros([rows, padded], tl.float32)
    for start in range(0, pixels, rows):
        mask = (start + row < pixels)[:, None] & inside[None, :]
        here = first + start * channels + at
        unit = (tl.load(x + here, mask=mask, other=0.0).to(tl.float32) - mean) * spread
        slope = tl.load(slopes + here, mask=mask, other=0.0).to(tl.float32)
        if silu:
            out = unit * scale[None, :] + shift[None, :]
            part = tl.sigmoid(out)
            slope = slope * part * (1.0 + out * (1.0 - part))
        sums += slope
        products += slope * unit
    by_channel, by_product = tl.sum(sums, 0), tl.sum(products, 0)
    tl.store(of_bias + picture * channels + group * width + lane, by_channel, mask=inside)
    tl.store(of_weight + picture * channels + group * width + lane, by_product, mask=inside)
    count = pixels * width
    level = tl.sum(by_channel * scale, 0) / count
    tilt = tl.sum(by_product * scale, 0) / count
    for start in range(0, pixels, rows):
        mask = (start + row < pixels)[:, None] & inside[None, :]
        here = first + start * channels + at
        unit = (tl.load(x + here, mask=mask, other=0.0).to(tl.float32) - mean) * spread
        slope = tl.load(slopes + here, mask=mask, other=0.0).to(tl.float32)
        if silu:
            out = unit * scale[None, :] + shift[None, :]
            part = tl.sigmoid(out)
            slope = slope * part * (1.0 + out * (1.0 - part))
        slope = (slope * scale[None, :] - level - unit * tilt) * spread
        tl.store(down + here, slope.to(down.dtype.element_ty), mask=mask)


@triton.jit
def _gate(both, out, width, block: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * block + tl.arange(0, block)
    mask = column < width
    value = tl.load(both + row * 2 * width + column, mask=mask).to(tl.float32)
    gate = tl.load(both + row * 2 * width + width + column, mask=mask).to(tl.float32)
    passed = gate * 0.5 * (1.0 + tl.math.erf(gate * 0.7071067811865476))
    tl.store(out + row * width + column, (value * passed).to(out.dtype.element_ty), mask=mask)


@triton.jit
def _gate_backward(both, slopes, down, width, block: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * block + tl.arange(0, block)
    mask = column < width
    at = row * 2 * width + column
    value = tl.load(both + at, mask=mask).to(tl.float32)
    gate = tl.load(both + at + width, mask=mask).to(tl.float32)
    slope = tl.load(slopes + row * width + column, mask=mask).to(tl.float32)
    share = 0.5 * (1.0 + tl.math.erf(gate * 0.7071067811865476))
    density = 0.3989422804014327 * tl.exp(-0.5 * gate * gate)
    kind = down.dtype.element_ty
    tl.store(down + at, (slope * gate * share).to(kind), mask=mask)
    tl.store(down + at + width, (slope * value * (share + gate * density)).to(kind), mask=mask)
