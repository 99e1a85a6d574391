"""`python -m inference draw` for a person, `python -m inference serve` for the bot."""

from __future__ import annotations

import argparse
import itertools
import logging
import secrets
import sys
import tempfile
from pathlib import Path

from pydantic import ValidationError

from data.cores import share_cores
from data.disk import nearest, typed_path
from data.imports import heavy_imports
from data.pipes import EventWriter
from inference.bases import locate
from inference.errors import ModelError
from inference.requests import DrawDone, DrawEvent, DrawFailed, DrawProgress, DrawRequest, Picture


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m inference", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="answer JSON lines on stdin until it ends")
    serve.add_argument("--batch", type=int, help="most pictures drawn at once for several requests; 0: none")
    draw = commands.add_parser("draw", help="draw pictures of one prompt")
    draw.add_argument("--model", required=True, help="base (mini, sd15, sd21-base, sd21), Hub id or folder")
    draw.add_argument("--prompt", required=True)
    draw.add_argument("--negative", default="")
    draw.add_argument("--count", type=int, default=4)
    draw.add_argument("--steps", type=int, default=50)
    draw.add_argument("--guidance", type=float, default=7.5)
    draw.add_argument("--seed", type=int, default=None, help="picture i uses seed + i; random when left out")
    draw.add_argument("--width", type=int, default=None)
    draw.add_argument("--height", type=int, default=None)
    draw.add_argument("--init", help="a picture to start from")
    draw.add_argument("--strength", type=float, default=0.6, help="how far to go from --init, 0 to 1")
    draw.add_argument(
        "--out", type=typed_path, required=True, help="folder for 0.png, 1.png and so on, after those there"
    )
    return parser


def _request(arguments: argparse.Namespace) -> DrawRequest:
    """Raises pydantic.ValidationError."""
    values = {key: value for key, value in vars(arguments).items() if key != "command"}
    seed = arguments.seed if arguments.seed is not None else secrets.randbelow(2**32)
    return DrawRequest(**{**values, "id": "draw", "seed": seed, "out": str(arguments.out)})


class _Terminal:
    """Shows a request's events to a person, and gives the pictures their places in folder `out`."""

    failed = False

    def __init__(self, out: Path) -> None:
        self._out = out

    def __call__(self, event: DrawEvent) -> None:
        match event:
            case DrawProgress():
                print(f"\rstep {event.step} of {event.steps}", end="", file=sys.stderr, flush=True)
            case Picture():
                print(self._keep(Path(event.path)))
            case DrawDone():
                print(f"\n{event.seconds:.1f} s", file=sys.stderr)
            case DrawFailed():
                self.failed = True
                print(f"\n{event.message}", file=sys.stderr)

    def _keep(self, drawn: Path) -> Path:
        """Under the first number that no picture of before has: nothing there is replaced."""
        self._out.mkdir(parents=True, exist_ok=True)
        places = (self._out / f"{number}.png" for number in itertools.count())
        return drawn.rename(next(place for place in places if not place.exists()))


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    arguments = _parser().parse_args()
    share_cores()
    if arguments.command == "serve":
        emit = EventWriter()
        emit.beat()  # torch takes seconds to import, or a minute on a slow disk
        with heavy_imports():
            from inference.server import Server

        Server(emit, arguments.batch).serve()
        return 0
    try:
        request = _request(arguments)
    except ValidationError as error:
        problems = (f"--{problem['loc'][0]}: {problem['msg']}" for problem in error.errors())
        print("; ".join(problems), file=sys.stderr)
        return 2
    try:
        return _draw(request)
    except ModelError as error:
        print(error.message, file=sys.stderr)
        return 1


def _draw(request: DrawRequest) -> int:
    """Draw for a person; the exit status. Raises ModelError."""
    out = Path(request.out)
    terminal = _Terminal(out)
    try:
        room = tempfile.TemporaryDirectory(prefix=".draw-", dir=nearest(out))
    except OSError as error:
        raise ModelError("bad_out", f"{out} can't be written: {error.strerror}.") from error
    with room as drawn:
        locate(request.model)
        with heavy_imports():  # they take seconds: a mistake needn't wait for them
            from inference.engine import Engine

        Engine().run(request.model_copy(update={"out": drawn}), terminal, lambda: False)
    return 1 if terminal.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
