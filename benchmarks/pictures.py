"""Pictures by our engine and by the stock `StableDiffusionPipeline`: same steps, same precision."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from benchmarks.models import add_model_option, model_of, stock
from benchmarks.report import Row, race
from inference import previews
from inference.denoiser import Decoder, Denoiser
from inference.model import drawing_dtype, load_folder, pick_device
from inference.previews import Previewer, fit_colours
from inference.sampler import Brush, draw

PROMPT = "photo of a person"


def options(parser: argparse.ArgumentParser) -> None:
    add_model_option(parser)
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 4], help="pictures at once")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)


def measure(arguments: argparse.Namespace) -> list[Row]:
    folder = model_of(arguments)
    model = load_folder(folder, pick_device(), drawing_dtype(pick_device()))
    pipeline = stock(folder)
    predict, decode = Denoiser(model), Decoder(model)
    brush = Brush(arguments.steps, 7.5, model.resolution, model.resolution)
    rows = []
    with TemporaryDirectory() as scratch:
        shown = Previewer(Path(scratch) / "preview.jpg", fit_colours(model), model.scale, lambda _: None)

        def ours(count: int, preview: bool) -> None:
            look = (lambda _, latents: shown(latents)) if preview else None
            negatives, seeds = [""] * count, range(count)
            list(
                draw(model, [PROMPT] * count, negatives, seeds, brush, lambda _: None,
                     on_latents=look, predict=predict, decode=decode)
            )  # fmt: skip

        def theirs(count: int) -> None:
            pipeline([PROMPT] * count, num_inference_steps=arguments.steps, guidance_scale=7.5)

        for count in arguments.counts:
            runners = partial(ours, count, False), partial(ours, count, True), partial(theirs, count)
            plain, previewed, their = race(arguments.repeats, *runners)
            # What previews cost at most: one is drawn at each step instead of every two seconds.
            with patch.object(previews, "SECONDS", 0.0):
                (each_step,) = race(arguments.repeats, partial(ours, count, True))
            title = f"{count} of {arguments.steps} steps at {brush.width} px"
            rows += [
                Row(f"{title}, ours", plain),
                Row(f"{title}, stock pipeline", their),
                Row(f"{title}, times faster", their / plain, "x"),
                Row(f"{title}, cost of previews", 100 * (previewed / plain - 1), "%"),
                Row(f"{title}, cost of a preview at each step", 100 * (each_step / plain - 1), "%"),
            ]
    return rows
