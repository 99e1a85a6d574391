"""`python -m benchmarks`: figures that this machine can measure, as a table and in `out/bench/speed.json`."""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path

from data.cores import share_cores


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--prompts", type=int, default=200, help="prompts for the mini model's attributes")
    parser.add_argument("--steps", type=int, default=50, help="denoising steps a picture")
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    arguments = parser.parse_args()
    share_cores()
    from benchmarks.attributes import measure as attributes
    from benchmarks.speed import measure as speed

    rows = {**speed(), **attributes("mini", arguments.prompts, arguments.steps, guidance=7.5)}
    for name, value in rows.items():
        print(f"{name:<44} {value:8.3f}", flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    report = {"machine": platform.platform(), "python": platform.python_version(), "figures": rows}
    (arguments.out / "speed.json").write_text(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
