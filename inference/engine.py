"""Draws requests with whatever model they name, and keeps the models used last in memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import torch

from data.errors import is_disk_full
from inference.errors import ModelError
from inference.metadata import parameters, save_png
from inference.model import Model, load, pick_device
from inference.requests import DrawDone, DrawEvent, DrawFailed, DrawProgress, DrawRequest, Picture
from inference.sampler import Brush, check_size, draw

_KEPT_MODELS = 3


class Cancelled(Exception):
    """Raised through the sampler when its request was cancelled."""


class Engine:
    """One device's drawing. Half precision on a GPU, single on the CPU."""

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device or pick_device()
        self.dtype = torch.float16 if self.device.type == "cuda" else torch.float32
        self._models: OrderedDict[str, Model] = OrderedDict()

    def run(
        self, request: DrawRequest, emit: Callable[[DrawEvent], None], cancelled: Callable[[], bool]
    ) -> None:
        """Draw a request into its folder and emit what happens; ends with `DrawDone` or `DrawFailed`."""
        try:
            began = time.monotonic()
            self._draw(request, emit, cancelled)
            emit(DrawDone(id=request.id, seconds=time.monotonic() - began))
        except Cancelled:
            emit(DrawFailed(id=request.id, code="cancelled", message="Drawing was cancelled."))
        except ModelError as error:
            emit(DrawFailed(id=request.id, code=error.code, message=error.message))
        except torch.OutOfMemoryError:
            self._models.clear()
            torch.cuda.empty_cache()
            message = "The GPU has too little memory for this: ask for fewer or smaller pictures."
            emit(DrawFailed(id=request.id, code="out_of_memory", message=message))
        except Exception as error:
            if not is_disk_full(error):
                raise
            emit(DrawFailed(id=request.id, code="disk_full", message="The disk is full."))

    def _draw(
        self, request: DrawRequest, emit: Callable[[DrawEvent], None], cancelled: Callable[[], bool]
    ) -> None:
        model = self._model(request.model)
        width, height = check_size(model, request.width, request.height)
        seeds = [(request.seed + index) % 2**32 for index in range(request.count)]

        def on_step(step: int) -> None:
            if cancelled():
                raise Cancelled
            emit(DrawProgress(id=request.id, step=step, steps=request.steps))

        pictures = draw(
            model,
            [request.prompt] * request.count,
            [request.negative] * request.count,
            seeds,
            Brush(request.steps, request.guidance, width, height),
            on_step,
        )
        for index, (seed, picture) in enumerate(zip(seeds, pictures, strict=True)):
            path = Path(request.out) / f"{index}.png"
            save_png(picture, path, parameters(request, seed, picture.size))
            emit(Picture(id=request.id, index=index, path=str(path), seed=seed, width=width, height=height))

    def _model(self, name: str) -> Model:
        """The model of that name, loaded if need be; the one unused for longest makes room."""
        if name not in self._models:
            while len(self._models) >= _KEPT_MODELS:
                self._models.popitem(last=False)
            self._models[name] = load(name, self.device, self.dtype)
        self._models.move_to_end(name)
        return self._models[name]
