"""Time and peak memory of exporting a full-size Stable Diffusion 1.5, each export in a process of its own.

`python -m benchmarks.export` writes a model with random weights (4.3 GB; give `--model` for another one),
exports it, and reads the safetensors file back: every bit must be as it was. Table here, JSON in
`out/bench/export.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

KINDS = {"safetensors": ("safetensors",), "ckpt": ("ckpt",), "ckpt, half": ("ckpt", "--half")}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.export", description=__doc__)
    parser.add_argument("--model", type=Path, help="folder in diffusers layout; else one with random weights")
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.out) as room:
        model = arguments.model or Path(room) / "model"
        if arguments.model is None:
            _watched("benchmarks.full_size", str(model))
        rows = list(_measure(model, Path(room)))
    for row in rows:
        print(
            f"{row['what']:<14} {row['seconds']:7.1f} s  peak {row['peak_gib']:5.2f} GiB"
            f"  file {row['file_gib']:5.2f} GiB  {row['of_model']:.2f} of the model",
            flush=True,
        )
    (arguments.out / "export.json").write_text(json.dumps(rows, indent=2) + "\n")
    return 0


def _measure(model: Path, room: Path) -> Sequence[dict[str, float | str]]:
    size = sum(file.stat().st_size for file in model.rglob("*.safetensors"))
    rows: list[dict[str, float | str]] = []

    def add(what: str, words: Sequence[str], made: Path) -> None:
        seconds, peak = _watched("trainer", *words)
        written = [made] if made.is_file() else list(made.rglob("*.safetensors"))
        rows.append(
            {
                "what": what,
                "seconds": round(seconds, 1),
                "peak_gib": round(peak / 2**30, 2),
                "file_gib": round(sum(file.stat().st_size for file in written) / 2**30, 2),
                "of_model": round(peak / size, 2),
            }
        )

    for what, (kind, *more) in KINDS.items():
        file = room / f"model.{kind}"
        add(what, ["export", str(model), "--format", kind, *more, "--out", str(file)], file)
        if kind != "safetensors":
            file.unlink()
    single, back = room / "model.safetensors", room / "back"
    add("import", ["import", str(single), "--base", str(model), "--out", str(back)], back)
    single.unlink()
    rows.append({**rows.pop(), "bit_exact": str(_same(model, back))})
    shutil.rmtree(back)
    return rows


def _watched(module: str, *words: str) -> tuple[float, int]:
    """Seconds and peak resident bytes of `python -m module words`. Raises CalledProcessError."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", module, *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return time.monotonic() - began, usage.ru_maxrss * 1024


def _same(model: Path, back: Path) -> bool:
    """Whether two folders hold the same weights, bit for bit."""
    import torch

    from trainer.export_files import PipelineFolder

    ours, theirs = PipelineFolder(model), PipelineFolder(back)
    return ours.specs() == theirs.specs() and all(
        torch.equal(ours.read(name).view(torch.uint8), theirs.read(name).view(torch.uint8))
        for name in ours.specs()
    )


if __name__ == "__main__":
    raise SystemExit(main())
