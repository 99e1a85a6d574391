"""`SplitAdamW`'s pass as one Triton kernel over all parameters. Only imported where there is a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl

_BLOCK, _WARPS = 1024, 8
"""Values that one program works on, and with how many warps: the fastest of nine pairs on an H200."""


class TritonPass:
    """Reads gradients where they lie: a table of their addresses saves copying them together.

    A captured graph copies the table from pinned memory on each replay; the addresses in it are its own.
    """

    def __init__(self, parameters: Sequence[torch.nn.Parameter], offsets: Sequence[int]) -> None:
        self._parameters = [*parameters]
        device = self._parameters[0].device
        sizes = torch.tensor([parameter.numel() for parameter in self._parameters])
        blocks = (sizes + _BLOCK - 1) // _BLOCK
        place = torch.repeat_interleave(torch.arange(len(sizes)), blocks)
        first = torch.cumsum(blocks, 0) - blocks
        start = (torch.arange(len(place)) - first[place]) * _BLOCK
        self._place, self._start = place.to(device), start.to(device)
        self._sizes, self._offsets = sizes.to(device), torch.tensor([*offsets], device=device)
        self._told = torch.zeros(len(sizes), dtype=torch.int64, pin_memory=True)
        self._addresses = torch.zeros(len(sizes), dtype=torch.int64, device=device)

    def __call__(
        self,
        working: torch.Tensor,
        rest: torch.Tensor,
        mean: torch.Tensor,
        square: torch.Tensor,
        *,
        scale: torch.Tensor,
        rate: torch.Tensor,
        corrections: tuple[torch.Tensor, torch.Tensor],
        betas: tuple[float, float],
        epsilon: float,
        decay: float,
    ) -> None:
        """One step over the stretches; scale, rate and corrections are scalars on the device."""
        if not torch.cuda.is_current_stream_capturing():
            torch.cuda.current_stream().synchronize()  # the last copy of the table may be under way
        self._told.copy_(torch.tensor([_address(parameter) for parameter in self._parameters]))
        self._addresses.copy_(self._told, non_blocking=True)
        _pass[(len(self._place),)](
            working.view(torch.int16), rest, mean, square,
            self._place, self._start, self._sizes, self._offsets, self._addresses,
            scale, rate, *corrections,
            *betas, epsilon, decay,
            block=_BLOCK, num_warps=_WARPS,
        )  # fmt: skip


def _address(parameter: torch.nn.Parameter) -> int:
    """Where a parameter's gradient lies, in the order of the parameter's own memory; 0 without one."""
    gradient = parameter.grad
    if gradient is None:
        return 0
    same = all(
        ours == theirs
        for ours, theirs, size in zip(gradient.stride(), parameter.stride(), parameter.shape, strict=True)
        if size > 1
    )
    if not same or gradient.data_ptr() % 16:
        parameter.grad = gradient = torch.empty_like(parameter).copy_(gradient)
    return gradient.data_ptr()


@triton.jit
def _pass(
    working, rest, mean, square,
    places, starts, sizes, offsets, addresses,
    scale, rate, correction1, correction2,
    beta1: tl.constexpr, beta2: tl.constexpr, epsilon: tl.constexpr, decay: tl.constexpr,
    block: tl.constexpr,
):  # fmt: skip
    place = tl.load(places + tl.program_id(0))
    address = tl.load(addresses + place)
    if address != 0:
        start = tl.multiple_of(tl.load(starts + tl.program_id(0)), 64)
        size = tl.load(sizes + place)
        offset = tl.multiple_of(tl.load(offsets + place), 64)
        gradient = tl.multiple_of(address.to(tl.pointer_type(tl.bfloat16)), 16)
        clip, step = tl.load(scale), tl.load(rate)
        fix1, fix2 = tl.load(correction1), tl.load(correction2)
        # Only a parameter's last block is masked: a mask would keep the others from wide loads.
        if start + block <= size:
            _update(
                working, rest, mean, square, gradient, start, size, offset, clip, step, fix1, fix2,
                beta1, beta2, epsilon, decay, block, False,
            )  # fmt: skip
        else:
            _update(
                working, rest, mean, square, gradient, start, size, offset, clip, step, fix1, fix2,
                beta1, beta2, epsilon, decay, block, True,
            )  # fmt: skip


@triton.jit
def _update(
    working, rest, mean, square, gradient, start, size, offset, clip, step, fix1, fix2,
    beta1: tl.constexpr, beta2: tl.constexpr, epsilon: tl.constexpr, decay: tl.constexpr,
    block: tl.constexpr, masked: tl.constexpr,
):  # fmt: skip
    lane = tl.arange(0, block)
    mask = start + lane < size if masked else None
    at = offset + start + lane
    slope = tl.load(gradient + start + lane, mask=mask).to(tl.float32) * clip
    first = beta1 * tl.load(mean + at, mask=mask) + (1.0 - beta1) * slope
    second = beta2 * tl.load(square + at, mask=mask) + (1.0 - beta2) * slope * slope
    high = tl.load(working + at, mask=mask).to(tl.int32) << 16
    master = (high + tl.load(rest + at, mask=mask).to(tl.int32)).to(tl.float32, bitcast=True)
    spread = tl.sqrt(second / fix2) + epsilon
    master = master * (1.0 - step * decay) - step / fix1 * first / spread
    bits = master.to(tl.int32, bitcast=True)
    high = tl.where(master == master, (bits + 0x8000) >> 16, 0x7FC0)  # what is no number stays none
    tl.store(mean + at, first, mask=mask)
    tl.store(square + at, second, mask=mask)
    tl.store(working + at, high.to(tl.int16), mask=mask)
    tl.store(rest + at, (bits - (high << 16)).to(tl.int16), mask=mask)
