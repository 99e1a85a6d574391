"""Many people, each with a model of their own: what a switch costs, and how many pictures a minute come out.

The comparison is a server that calls `from_pretrained` whenever the next picture is another person's.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.models import add_model_option, copies, model_of, stock, write_lora
from benchmarks.report import BenchmarkFailed, Row, Stopwatch
from inference.engine import Engine
from inference.model import Model, drawing_dtype, pick_device
from inference.requests import DrawEvent, DrawFailed, DrawRequest
from inference.residence import Residence

SEED = 2026


def options(parser: argparse.ArgumentParser) -> None:
    add_model_option(parser)
    parser.add_argument("--people", type=int, default=20 if torch.cuda.is_available() else 4)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--stock-pictures", type=int, default=20, help="pictures of the comparison")
    parser.add_argument("--rounds", type=int, default=3, help="pictures a person, in random order")


def measure(arguments: argparse.Namespace) -> list[Row]:
    folder = model_of(arguments)
    people = copies(folder, arguments.people, arguments.room / "people")
    return [*_switches(folder, people, arguments.room), *_rounds(people, arguments)]


def _switches(folder: Path, people: Sequence[str], room: Path) -> list[Row]:
    models = Residence(pick_device(), drawing_dtype(pick_device()), budget=2**50)
    unet = models.get(str(folder)).unet
    loras = [write_lora(room / "loras" / str(number), folder, unet) for number in range(2)]
    few = people[: min(len(people), 5)]
    _get(models, loras[0])
    return [
        Row("switch to a full model from disk, in the page cache", _median(models, few)),
        Row("switch to a full model from memory", _median(models, few)),
        Row("switch to a LoRA of the same base", _median(models, [*loras, *loras])),
        Row("weights of one model", models.size / (1 + len(few)) / 2**30, "GiB"),
    ]


def _median(models: Residence, names: Sequence[str]) -> float:
    watch = Stopwatch()
    for name in names:
        with watch.lap():
            _get(models, name)
    return watch.median


def _get(models: Residence, name: str) -> Model:
    model = models.get(name)
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    return model


def _rounds(people: Sequence[str], arguments: argparse.Namespace) -> list[Row]:
    """Everybody's picture, again and again in an order of chance; the first time models come from disk."""
    order = random.Random(SEED)
    rounds = [order.sample(people, len(people)) for _ in range(arguments.rounds)]
    engine = Engine()
    ours = [_pace(_engine_draws(engine, arguments), names) for names in [rounds[0][:1], *rounds]][1:]
    engine.rest()
    theirs = _pace(_stock_draws(arguments), rounds[-1][: arguments.stock_pictures])
    title = f"{len(people)} people and models, {arguments.steps} steps"
    return [
        Row(f"{title}, ours, first round", ours[0], "pictures/min"),
        Row(f"{title}, ours, last round", ours[-1], "pictures/min"),
        Row(f"{title}, from_pretrained at each switch", theirs, "pictures/min"),
        Row(f"{title}, times more", ours[-1] / theirs, "x"),
    ]


def _pace(draw: Callable[[str], None], names: Sequence[str]) -> float:
    began = time.perf_counter()
    for name in names:
        draw(name)
    return 60 * len(names) / (time.perf_counter() - began)


def _engine_draws(engine: Engine, arguments: argparse.Namespace) -> Callable[[str], None]:
    def tell(event: DrawEvent) -> None:
        if isinstance(event, DrawFailed):
            raise BenchmarkFailed(event.message)

    def draw(name: str) -> None:
        request = DrawRequest(
            id="1", model=name, prompt="photo of a person", count=1, steps=arguments.steps, seed=SEED,
            out=str(arguments.room / "switching"),
        )  # fmt: skip
        engine.run(request, tell, lambda: False)

    return draw


def _stock_draws(arguments: argparse.Namespace) -> Callable[[str], None]:
    def draw(name: str) -> None:
        pictures = stock(Path(name))("photo of a person", num_inference_steps=arguments.steps).images
        pictures[0].save(arguments.room / "switching" / "stock.png")

    return draw
