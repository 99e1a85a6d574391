"""Parts of a model as the sampler calls them: plainly on the CPU, one CUDA graph a shape on the GPU."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

import torch

from inference.model import Model
from inference.replay import Replay
from inference.sampler import decoder_of, unet_of

Result = TypeVar("Result")

_KEPT = 4
"""Graphs of a part that are kept: each holds its own activations."""


class Captured(Generic[Result]):
    """A function of tensors. Filling other weights in place keeps every graph valid.

    On a GPU the result is overwritten by the next call with the same shapes.
    """

    def __init__(self, function: Callable[..., Result], device: torch.device) -> None:
        self._function = function
        self._device = device
        self._graphs: OrderedDict[tuple[torch.Size, ...], _Graph[Result]] = OrderedDict()

    def __call__(self, *inputs: torch.Tensor) -> Result:
        """The function of these inputs."""
        if self._device.type != "cuda":
            return self._function(*inputs)
        key = tuple(one.shape for one in inputs)
        if key not in self._graphs:
            while len(self._graphs) >= _KEPT:
                self._graphs.popitem(last=False)
            self._graphs[key] = _Graph(self._function, inputs)
        self._graphs.move_to_end(key)
        return self._graphs[key](inputs)


class Denoiser(Captured[torch.Tensor]):
    """Stands in for a resident UNet, see `inference.sampler.Predict`."""

    def __init__(self, model: Model) -> None:
        super().__init__(unet_of(model), model.device)
        self.unet = model.unet


class Decoder(Captured[tuple[torch.Tensor, torch.Tensor]]):
    """Stands in for a resident VAE's way from latents to pixels, see `inference.sampler.Decode`."""

    def __init__(self, model: Model) -> None:
        super().__init__(decoder_of(model), model.device)
        self.vae = model.vae


class _Graph(Generic[Result]):
    """One call at fixed addresses. Nothing refers back to it, so it goes as soon as nobody holds it."""

    def __init__(self, function: Callable[..., Result], inputs: tuple[torch.Tensor, ...]) -> None:
        kept = tuple(one.clone() for one in inputs)
        output: list[Result] = []

        def step() -> None:
            output[:] = [function(*kept)]

        self._inputs, self._output = kept, output
        self._replay = Replay(step, inputs[0].device)

    def __call__(self, inputs: tuple[torch.Tensor, ...]) -> Result:
        for kept, new in zip(self._inputs, inputs, strict=True):
            kept.copy_(new)
        self._replay()
        return self._output[0]
