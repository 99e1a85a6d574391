"""The UNet as the sampler calls it: plainly on the CPU, one CUDA graph a batch size on the GPU."""

from __future__ import annotations

from collections import OrderedDict

import torch

from inference.model import Model
from inference.replay import Replay
from inference.sampler import Predict, unet_of

_KEPT = 4
"""Graphs that are kept: each holds its own activations."""


class Denoiser:
    """Stands in for a resident UNet. Filling other weights in place keeps every graph valid."""

    def __init__(self, model: Model) -> None:
        self.unet = model.unet
        self._device = model.device
        self._predict = unet_of(model)
        self._graphs: OrderedDict[tuple[torch.Size, torch.Size], _Graph] = OrderedDict()

    def __call__(self, batch: torch.Tensor, timestep: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """See `Predict`. On a GPU the result is overwritten by the next call of the same shape."""
        if self._device.type != "cuda":
            return self._predict(batch, timestep, context)
        key = (batch.shape, context.shape)
        if key not in self._graphs:
            while len(self._graphs) >= _KEPT:
                self._graphs.popitem(last=False)
            self._graphs[key] = _Graph(self._predict, batch, timestep, context)
        self._graphs.move_to_end(key)
        return self._graphs[key](batch, timestep, context)


class _Graph:
    """One call at fixed addresses."""

    def __init__(
        self, predict: Predict, batch: torch.Tensor, timestep: torch.Tensor, context: torch.Tensor
    ) -> None:
        self._inputs = (batch.clone(), timestep.clone(), context.clone())
        self._predict = predict
        self._output: torch.Tensor | None = None
        self._replay = Replay(self._step, batch.device)

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        for kept, new in zip(self._inputs, inputs, strict=True):
            kept.copy_(new)
        self._replay()
        assert self._output is not None
        return self._output

    def _step(self) -> None:
        self._output = self._predict(*self._inputs)
