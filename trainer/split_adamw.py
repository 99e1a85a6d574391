"""AdamW for half-precision weights whose exact values lie beside them, in sixteen bits more.

The model computes with a weight rounded to bfloat16. The bits that rounding lost are kept, so both together
are a single-precision master: no step is too small to count, nothing is cast in the forward pass, gradients
take half the room, and a trained parameter takes 14 bytes instead of 16. The idea is Split-SGD's
(arXiv:2005.04680). Clipping and AdamW (arXiv:1711.05101) are one pass over the memory, on a GPU one kernel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from inference.fusing import kernels_problem

_BETAS = (0.9, 0.999)
_EPSILON = 1e-8
_DECAY = 0.01
_NAN = 0x7FC0
"""In bfloat16. Rounding could turn one into a number: a broken model would not show in its loss."""
_ALIGNED = 64
"""Values between which weights start: convolutions and wide loads want round addresses."""


def split(master: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A float32 tensor as its rounding to bfloat16 (halves away from zero) and the int16 rest of its bits."""
    bits = master.view(torch.int32)
    high = torch.where(master.isnan(), _NAN, (bits + 0x8000) >> 16)
    return high.to(torch.int16).view(torch.bfloat16), (bits - (high << 16)).to(torch.int16)


def join(working: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
    """The float32 tensor that `split` took apart, bit for bit."""
    high = working.view(torch.int16).to(torch.int32) << 16
    return (high + rest.to(torch.int32)).view(torch.float32)


class SplitAdamW:
    """Takes parameters over: their data becomes bfloat16, in one stretch of memory (see `Descent`)."""

    def __init__(self, parameters: Sequence[torch.nn.Parameter], rate: float, max_norm: float) -> None:
        self._parameters = [*parameters]
        self._max_norm = max_norm
        device = self._parameters[0].device
        self._offsets, size = _places(self._parameters)
        self._working = torch.zeros(size, dtype=torch.bfloat16, device=device)
        self._rest = torch.zeros(size, dtype=torch.int16, device=device)
        self._take_over()
        self._mean = torch.zeros(size, device=device)
        self._square = torch.zeros(size, device=device)
        self._count = torch.zeros((), device=device)
        self._rate = torch.tensor(rate, device=device)
        self._pass = _triton_pass(self._parameters, self._offsets)

    def backward(self, loss: torch.Tensor) -> None:
        """Add a loss's gradients. They need no scaling: bfloat16 reaches as far as float32."""
        loss.backward()

    def clear(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    def set_rate(self, rate: float) -> None:
        """The learning rate of the steps to come; a captured graph reads it from the device too."""
        self._rate.fill_(rate)

    def step(self) -> None:
        """Clip the gradients together and take one step. A parameter without a gradient stays as it is."""
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        norms = torch._foreach_norm(gradients, 2, dtype=torch.float32)
        scale = (self._max_norm / (torch.linalg.vector_norm(torch.stack(norms)) + 1e-6)).clamp(max=1.0)
        self._count += 1
        corrections = tuple(1.0 - torch.pow(beta, self._count) for beta in _BETAS)
        if self._pass is not None:
            self._pass(
                self._working, self._rest, self._mean, self._square,
                scale=scale, rate=self._rate, corrections=corrections,
                betas=_BETAS, epsilon=_EPSILON, decay=_DECAY,
            )  # fmt: skip
        else:
            self._plain_pass(scale, corrections)

    def masters(self) -> Iterator[torch.Tensor]:
        """Each parameter's exact value, one after the other: all at once would take much memory."""
        for parameter, rest in zip(self._parameters, self._views(self._rest), strict=True):
            yield join(parameter.detach(), rest)

    def release(self) -> None:
        """Give the parameters their exact values, in float32. No step can follow."""
        del self._mean, self._square
        self.clear()
        for parameter, master in zip(self._parameters, self.masters(), strict=True):
            parameter.data = master

    def state(self) -> dict[str, torch.Tensor]:
        """What goes on with the parameters' own data: references, not copies."""
        return {"rest": self._rest, "mean": self._mean, "square": self._square, "count": self._count}

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of the same parameters, whose data is put back by whoever keeps it."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])

    @torch.no_grad()
    def _plain_pass(self, scale: torch.Tensor, corrections: Sequence[torch.Tensor]) -> None:
        """The step in PyTorch's own operations; the kernel computes the same."""
        pieces = (self._views(kept) for kept in (self._rest, self._mean, self._square))
        for parameter, rest, mean, square in zip(self._parameters, *pieces, strict=True):
            if parameter.grad is None:
                continue
            gradient = parameter.grad.float() * scale
            mean.mul_(_BETAS[0]).add_(gradient, alpha=1.0 - _BETAS[0])
            square.mul_(_BETAS[1]).addcmul_(gradient, gradient, value=1.0 - _BETAS[1])
            spread = (square / corrections[1]).sqrt_().add_(_EPSILON)
            master = join(parameter.data, rest) * (1.0 - self._rate * _DECAY)
            master -= self._rate / corrections[0] * mean / spread
            working, lost = split(master)
            parameter.copy_(working)
            rest.copy_(lost)

    @torch.no_grad()
    def _take_over(self) -> None:
        views = zip(self._parameters, self._views(self._working), self._views(self._rest), strict=True)
        for parameter, working, rest in views:
            high, lost = split(parameter.data)
            working.copy_(high)
            rest.copy_(lost)
            parameter.data = working

    def _views(self, kept: torch.Tensor) -> Iterator[torch.Tensor]:
        """Each parameter's part of one of the stretches, in the parameter's own shape and order."""
        for parameter, offset in zip(self._parameters, self._offsets, strict=True):
            yield kept.as_strided(parameter.shape, parameter.stride(), offset)


def _places(parameters: Sequence[torch.nn.Parameter]) -> tuple[list[int], int]:
    """Where each parameter starts in one stretch, and the stretch's length, in values."""
    offsets, end = [], 0
    for parameter in parameters:
        offsets.append(end)
        end += math.ceil(parameter.numel() / _ALIGNED) * _ALIGNED
    return offsets, end


def _triton_pass(parameters: Sequence[torch.nn.Parameter], offsets: Sequence[int]) -> Any:
    """The kernel where it can run, else None."""
    if kernels_problem(parameters[0].device) is not None:
        return None
    from trainer.split_adamw_kernel import TritonPass

    return TritonPass(parameters, offsets)
