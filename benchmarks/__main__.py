"""`python -m benchmarks`: figures that this machine can measure, as a table and in `out/bench/speed.json`.

With a name it measures that alone, such as `python -m benchmarks pictures`, and takes its options. Those that
take long, `growth` and `chaos`, have to be named.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.report import publish
from data.cores import share_cores

NAMES = (
    "speed", "attributes", "training", "pictures", "switching", "sharing", "journey", "load", "intake",
    "erasing",
)  # fmt: skip
LONG = ("growth", "chaos")


def main(words: list[str]) -> int:
    logging.basicConfig(level=logging.WARNING)
    if not words:
        # Each in a process of its own: none leaves memory or a warm cache to the next.
        return max(subprocess.run([sys.executable, "-m", "benchmarks", name]).returncode for name in NAMES)
    chooser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    chooser.add_argument("name", choices=(*NAMES, *LONG))
    name = chooser.parse_args(words[:1]).name
    share_cores()
    benchmark = importlib.import_module(f"benchmarks.{name}")
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {name}", description=benchmark.__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("out/bench"), help="folder of the figures and models"
    )
    benchmark.options(parser)
    arguments = parser.parse_args(words[1:])
    arguments.out = arguments.out.resolve()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.out) as room:  # nothing else there is removed
        arguments.room = Path(room)
        rows = benchmark.measure(arguments)
    publish(name, rows, "python -m benchmarks " + " ".join(words), arguments.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
