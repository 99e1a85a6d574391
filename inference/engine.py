"""Draws requests with whatever model they name; requests that ask alike are drawn together."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import torch

from data.errors import is_disk_full
from inference.bases import locate
from inference.denoiser import Decoder, Denoiser
from inference.drawing import Cancelled, Drawing, together
from inference.errors import ModelError
from inference.lora import is_lora, read_config
from inference.model import Model, drawing_dtype, pick_device
from inference.previews import fit_colours
from inference.requests import DrawEvent, DrawFailed, DrawRequest
from inference.residence import Residence
from inference.safety import SafetyChecker

_log = logging.getLogger(__name__)

_CACHE_SHARE = 0.25
"""Share of the free memory that waiting models' weights may take, unless LIKENESS_ENGINE_CACHE_GIB says."""


class Engine:
    """One device's drawing. Half precision on a GPU, single on the CPU.

    `budget` is how many bytes of weights wait on the host for their turn; None takes a share of what is free.
    """

    def __init__(self, device: torch.device | None = None, budget: int | None = None) -> None:
        self.device = device or pick_device()
        self._dtype = drawing_dtype(self.device)
        self._models = Residence(self.device, self._dtype, _budget() if budget is None else budget)
        self._denoiser: Denoiser | None = None
        self._decoder: Decoder | None = None
        self._colours: tuple[torch.nn.Module, torch.Tensor] | None = None
        self._checkers: dict[Path, SafetyChecker] = {}
        self._rested = True
        """Whether nothing was drawn since all memory was given back."""

    def run(
        self, request: DrawRequest, emit: Callable[[DrawEvent], None], cancelled: Callable[[], bool]
    ) -> None:
        """Draw a request into its folder and emit what happens; ends with `DrawDone` or `DrawFailed`."""
        self.run_together([request], emit, lambda _: cancelled())

    def run_together(
        self,
        requests: Sequence[DrawRequest],
        emit: Callable[[DrawEvent], None],
        cancelled: Callable[[str], bool],
    ) -> None:
        """Draw requests of one `kind` in one batch. Each gets its own events and its own end.

        `cancelled` is asked with a request's id; one that is cancelled disturbs no other. Where the memory
        is too small, or one of them can't be drawn, they are drawn one after the other, in the end with
        all memory given back first.
        """
        began, short_of_memory = time.monotonic(), False
        rested, self._rested = self._rested, False
        drawings = [Drawing(request, emit, cancelled) for request in requests]
        try:
            self._draw(drawings)
        except Cancelled:
            pass
        except torch.OutOfMemoryError:
            short_of_memory = True
            if len(drawings) == 1 and rested:
                message = "The GPU has too little memory for this: ask for fewer or smaller pictures."
                _fail(drawings, emit, "out_of_memory", message)
        except ModelError as error:
            if len(drawings) == 1:
                _fail(drawings, emit, error.code, error.message)
        except Exception as error:
            if not is_disk_full(error):
                raise
            _fail(drawings, emit, "disk_full", "The disk is full.")
        else:
            for drawing in drawings:
                drawing.finish(time.monotonic() - began)
        finally:
            for drawing in drawings:
                drawing.close()
        if short_of_memory:  # only now, without the error's frames, it can be given back
            _log.warning("too little memory for %d requests", len(drawings))
            self.rest()
        for drawing in drawings:
            if not drawing.ended:
                self.run_together([drawing.request], emit, cancelled)

    def rest(self) -> None:
        """Give all memory back; the next request loads anew."""
        self._denoiser = self._decoder = self._colours = None
        self._checkers.clear()
        self._models.forget()
        self._rested = True

    def _draw(self, drawings: Sequence[Drawing]) -> None:
        first = drawings[0].request
        model = self._models.get(first.model)
        if self._denoiser is None or self._denoiser.unet is not model.unet:
            self._denoiser = Denoiser(model)
        if self._decoder is None or self._decoder.vae is not model.vae:
            self._decoder = Decoder(model)
        checker = self._checker(first) if first.check_safety else None
        previewed = any(drawing.request.previews for drawing in drawings)
        colours = self._colours_of(model) if previewed else None
        together(model, drawings, self._denoiser, self._decoder, checker, colours)

    def _colours_of(self, model: Model) -> torch.Tensor:
        """The map for previews, fitted once a resident VAE: those of one architecture look alike."""
        if self._colours is None or self._colours[0] is not model.vae:
            self._colours = (model.vae, fit_colours(model))
        return self._colours[1]

    def _checker(self, request: DrawRequest) -> SafetyChecker | None:
        folder = locate(request.model)
        if is_lora(folder):
            folder = locate(read_config(folder).base)
        elif not SafetyChecker.is_in(folder) and request.base is not None:
            folder = locate(request.base)
        if not SafetyChecker.is_in(folder):
            return None
        if folder not in self._checkers:
            self._checkers[folder] = SafetyChecker(folder, self.device, self._dtype)
        return self._checkers[folder]


def _fail(drawings: Sequence[Drawing], emit: Callable[[DrawEvent], None], code: str, message: str) -> None:
    for drawing in drawings:
        if not drawing.ended:
            drawing.ended = True
            emit(DrawFailed(id=drawing.request.id, code=code, message=message))


def _budget() -> int:
    said = os.environ.get("LIKENESS_ENGINE_CACHE_GIB")
    if not said:
        return int(psutil.virtual_memory().available * _CACHE_SHARE)
    try:
        return int(float(said) * 2**30)
    except (ValueError, OverflowError) as error:
        raise ModelError("bad_setting", "LIKENESS_ENGINE_CACHE_GIB has to be a number of GiB.") from error
