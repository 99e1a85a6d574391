"""Requests that are drawn in one batch, and what each of them hears of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch
from PIL import Image

from inference.metadata import parameters, save_png
from inference.model import Model
from inference.previews import Previewer
from inference.requests import DrawDone, DrawEvent, DrawFailed, DrawProgress, DrawRequest, Picture, Preview
from inference.safety import SafetyChecker
from inference.sampler import Brush, Decode, Predict, check_size, draw, open_init

_WRITERS = 4
"""Pictures that are packed and written at once."""


class Cancelled(Exception):
    """Raised through the sampler when nobody waits for the batch any more."""


def kind(request: DrawRequest) -> tuple[object, ...]:
    """Requests of the same kind can be drawn in one batch."""
    start = None if request.init is None else request.strength
    size = (request.width, request.height)
    return (request.model, request.base, *size, request.steps, request.guidance, start, request.check_safety)


class Drawing:
    """One request's part in a batch. `ended` is true once its last event is out (or not ours to tell)."""

    def __init__(
        self, request: DrawRequest, emit: Callable[[DrawEvent], None], cancelled: Callable[[str], bool]
    ) -> None:
        self.request = request
        self.ended = False
        self.seeds = [(request.seed + index) % 2**32 for index in range(request.count)]
        self._emit = emit
        self._cancelled = cancelled
        self._previewer: Previewer | None = None

    def preview_with(self, colours: torch.Tensor, scale: int) -> None:
        """Show previews, if the request asks for them."""
        if self.request.previews:
            file = Path(self.request.out) / "preview.jpg"
            self._previewer = Previewer(file, colours, scale, self._tell_preview)

    def inits(self, width: int, height: int) -> list[Image.Image]:
        """The picture to start from, once a picture, or nothing. Raises ModelError(bad_init)."""
        if self.request.init is None:
            return []
        return [open_init(Path(self.request.init), width, height)] * self.request.count

    def on_step(self, step: int, steps: int) -> None:
        """Tell a step, or end with `cancelled`."""
        if self.ended:
            return
        if self._cancelled(self.request.id):
            self.ended = True
            message = "Drawing was cancelled."
            self._emit(DrawFailed(id=self.request.id, code="cancelled", message=message))
            return
        self._emit(DrawProgress(id=self.request.id, step=step, steps=steps))

    def on_latents(self, latents: torch.Tensor) -> None:
        """Look at this request's latents."""
        if self._previewer is not None and not self.ended:
            self._previewer(latents)

    def write(self, index: int, picture: Image.Image, flagged: bool) -> Picture:
        """Write a finished picture, from any thread, and return what there is to tell."""
        request, seed = self.request, self.seeds[index]
        path = Path(request.out) / f"{index}.png"
        save_png(picture, path, parameters(request, seed, picture.size))
        width, height = picture.size
        return Picture(
            id=request.id, index=index, path=str(path), seed=seed, width=width, height=height, flagged=flagged
        )

    def tell(self, written: Picture) -> None:
        """A picture is on disk."""
        self._emit(written)

    def finish(self, seconds: float) -> None:
        """All pictures are kept."""
        if not self.ended:
            self.ended = True
            self._emit(DrawDone(id=self.request.id, seconds=seconds))

    def close(self) -> None:
        """Leave no preview behind."""
        if self._previewer is not None:
            self._previewer.remove()

    def _tell_preview(self, file: Path) -> None:
        self._emit(Preview(id=self.request.id, path=str(file)))


def together(
    model: Model,
    drawings: Sequence[Drawing],
    predict: Predict,
    decode: Decode,
    checker: SafetyChecker | None,
    colours: torch.Tensor | None,
) -> None:
    """Draw requests of one kind in one batch. Raises Cancelled when all are, ModelError, OSError."""
    first = drawings[0].request
    width, height = check_size(model, first.width, first.height)
    strength = 1.0 if first.init is None else first.strength
    brush = Brush(first.steps, first.guidance, width, height, strength)
    places = [(drawing, index) for drawing in drawings for index in range(drawing.request.count)]
    if colours is not None:
        for drawing in drawings:
            drawing.preview_with(colours, model.scale)

    def on_step(step: int) -> None:
        for drawing in drawings:
            drawing.on_step(step, brush.drawn_steps)
        if all(drawing.ended for drawing in drawings):
            raise Cancelled

    def on_latents(_: int, latents: torch.Tensor) -> None:
        parts = latents.split([drawing.request.count for drawing in drawings])
        for drawing, part in zip(drawings, parts, strict=True):
            drawing.on_latents(part)

    pictures = draw(
        model,
        [drawing.request.prompt for drawing, _ in places],
        [drawing.request.negative for drawing, _ in places],
        [drawing.seeds[index] for drawing, index in places],
        brush,
        on_step,
        inits=[init for drawing in drawings for init in drawing.inits(width, height)],
        on_latents=on_latents if colours is not None else None,
        predict=predict,
        decode=decode,
    )
    _keep(places, pictures, checker)


def _keep(
    places: Sequence[tuple[Drawing, int]], pictures: Iterable[Image.Image], checker: SafetyChecker | None
) -> None:
    """Write the pictures and tell in their order; some are packed while the next ones are decoded."""
    written: deque[tuple[Drawing, Future[Picture]]] = deque()
    with ThreadPoolExecutor(_WRITERS, "png") as writers:
        for (drawing, index), picture in zip(places, pictures, strict=True):
            if drawing.ended:
                continue
            shown, flagged = (picture, False) if checker is None else checker.check(picture)
            written.append((drawing, writers.submit(drawing.write, index, shown, flagged)))
            while written and written[0][1].done():
                drawing, writing = written.popleft()
                drawing.tell(writing.result())
        for drawing, writing in written:
            drawing.tell(writing.result())
