"""`python -m benchmarks.fidelity`: does a trained model look like its person, listen, and keep the class?

Trains the mini model on toy persons with each method, with and without class images, and reads what it draws
afterwards. Every run is kept in `out/bench/fidelity-runs/`: a command that broke off goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import machine
from data.cores import share_cores
from data.disk import replacing

METHODS = ("full", "lora")
MEASURES = ("subject", "prompt", "class_spread")


@dataclass(frozen=True, slots=True)
class Case:
    """One training: how, of which person, with which seed."""

    method: str
    prior: bool
    person: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.method}-{'prior' if self.prior else 'alone'}-{self.person}-{self.seed}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fidelity", description=__doc__)
    parser.add_argument("--persons", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    arguments = parser.parse_args()
    share_cores()
    from benchmarks.fidelity_run import Studio, recipe_of

    # One of each way first, so that a table with few runs already compares them.
    cases = [
        Case(method, prior, person, seed)
        for seed, person, method, prior in itertools.product(
            range(arguments.seeds), range(arguments.persons), METHODS, (True, False)
        )
    ]
    runs = arguments.out / "fidelity-runs"
    runs.mkdir(parents=True, exist_ok=True)
    studio = Studio(arguments.out / "fidelity-class-images")
    found: list[tuple[Case, dict[str, float]]] = []
    for number, case in enumerate(cases, 1):
        recipe = recipe_of(case)
        # A changed recipe is another measurement.
        mark = hashlib.sha256(recipe.model_dump_json().encode()).hexdigest()[:8]
        file = runs / f"{case.name}-{mark}.json"
        if not file.exists():
            began = time.monotonic()
            figures = studio.measure(case, recipe)
            with replacing(file) as stream:
                stream.write(json.dumps({**figures, "seconds": time.monotonic() - began}).encode())
            print(f"{number}/{len(cases)} {case.name}: {figures}", flush=True)
        found.append((case, json.loads(file.read_text())))
        _write(arguments.out / "fidelity.json", summarise(found))
    print(table(summarise(found)))
    return 0


def summarise(found: Iterable[tuple[Case, dict[str, float]]]) -> list[dict[str, object]]:
    """A row for each way of training: means over its runs and their deviations."""
    ways: dict[tuple[str, bool], list[dict[str, float]]] = {}
    for case, figures in found:
        ways.setdefault((case.method, case.prior), []).append(figures)
    return [
        {
            "method": method,
            "prior": prior,
            **{measure: _mean(runs, measure) for measure in MEASURES},
            **{f"{measure}_deviation": _deviation(runs, measure) for measure in MEASURES},
            "runs": len(runs),
        }
        for (method, prior), runs in ways.items()
    ]


def table(rows: Sequence[dict[str, object]]) -> str:
    """The rows as a Markdown table."""
    lines = ["| Method | Class images | Subject | Prompt | Class | Runs |", "|---|---|---|---|---|---|"]
    for row in rows:
        cells = [f"{row[measure]:.2f} ± {row[f'{measure}_deviation']:.2f}" for measure in MEASURES]
        prior = "yes" if row["prior"] else "no"
        lines.append(f"| {row['method']} | {prior} | {' | '.join(cells)} | {row['runs']} |")
    return "\n".join(lines)


def _mean(runs: list[dict[str, float]], measure: str) -> float:
    return round(statistics.fmean(run[measure] for run in runs), 4)


def _deviation(runs: list[dict[str, float]], measure: str) -> float:
    return round(statistics.stdev(run[measure] for run in runs), 4) if len(runs) > 1 else 0.0


def _write(file: Path, rows: list[dict[str, object]]) -> None:
    with replacing(file) as stream:
        report = {"machine": machine(), "rows": rows}
        stream.write((json.dumps(report, indent=2) + "\n").encode())


if __name__ == "__main__":
    raise SystemExit(main())
