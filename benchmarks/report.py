"""What all benchmarks share: rows with their origin, a table, and one JSON file with the newest of each."""

from __future__ import annotations

import json
import math
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from data.disk import replacing

FILE = "speed.json"


class BenchmarkFailed(RuntimeError):
    """What was to be measured did not work."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: what was measured, how much, and in what."""

    what: str
    value: float
    unit: str = "s"


class Stopwatch:
    """`with watch:` adds one lap to `laps`, in seconds."""

    def __init__(self) -> None:
        self.laps: list[float] = []

    @contextmanager
    def lap(self) -> Iterator[None]:
        """Time what happens inside."""
        began = time.perf_counter()
        yield
        self.laps.append(time.perf_counter() - began)

    @property
    def median(self) -> float:
        return statistics.median(self.laps)


def race(repeats: int, *runners: Callable[[], object]) -> list[float]:
    """Median seconds of each runner, after one run that doesn't count.

    They take turns, so that a machine that slows down slows all of them.
    """
    watches = [Stopwatch() for _ in runners]
    for runner in runners:
        runner()
    for _ in range(repeats):
        for watch, runner in zip(watches, runners, strict=True):
            with watch.lap():
                runner()
    return [watch.median for watch in watches]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` (0 to 1) of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def machine() -> str:
    """The GPU where PyTorch sees one, else the processor and its cores."""
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    return f"{platform.machine()} with {torch.get_num_threads()} threads, torch {torch.__version__}"


def publish(name: str, rows: Sequence[Row], command: str, folder: Path) -> None:
    """Print a table, and put the rows in the place of this benchmark's former ones in `speed.json`."""
    for row in rows:
        print(f"{row.what:<72} {row.value:10.3f} {row.unit}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    kept = json.loads((folder / FILE).read_text()) if (folder / FILE).exists() else {}
    kept[name] = {
        "machine": machine(),
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "rows": [asdict(row) for row in rows],
    }
    with replacing(folder / FILE) as file:
        file.write(json.dumps(kept, indent=2).encode() + b"\n")
