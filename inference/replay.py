"""One step over static tensors, called on the CPU and replayed as a CUDA graph on the GPU.

Small kernels leave a GPU waiting for Python; a graph launches the whole step at once
(https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch

# Lazy initialisation (cuBLAS handles, cuDNN choices, optimiser state) must be over before capture.
_WARM_UP_CALLS = 3


class Replay:
    """Make `step`, a function over static tensors without arguments, cheap to call again and again.

    Every call is exactly one step: the first ones run eagerly, then the step is captured once and
    replayed. Random numbers must come from `generators`, so that each replay draws new ones.
    """

    def __init__(
        self,
        step: Callable[[], None],
        device: torch.device,
        generators: tuple[torch.Generator, ...] = (),
        *,
        capture: bool = True,
    ) -> None:
        self._step = step
        self._capturing = capture and device.type == "cuda"
        self._generators = generators
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> None:
        if not self._capturing:
            self._step()
            return
        self._calls += 1
        if self._calls <= _WARM_UP_CALLS:
            self._on_side_stream()
            return
        if self._graph is None:
            self._capture()
        assert self._graph is not None
        self._graph.replay()

    def forget(self) -> None:
        """What the step does has changed: capture it anew."""
        self._graph = None
        self._calls = 0

    def _on_side_stream(self) -> None:
        stream = _side_stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._step()
        torch.cuda.current_stream().wait_stream(stream)

    def _capture(self) -> None:
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            graph.register_generator_state(generator)
        # Other threads may use the GPU meanwhile (a model is saved while samples are drawn): by default, some
        # of their calls would spoil the capture.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._step()
        self._graph = graph


@cache
def _side_stream() -> torch.cuda.Stream:
    """One for all: memory that was used on one stream is not used again on another."""
    return torch.cuda.Stream()
