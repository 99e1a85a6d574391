"""A reader of photos that hangs or talks nonsense: a real process with scripted words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bot.services.photo_reader import Bounds, read_photos

FAULTS = {
    "stopped": "kill -STOP $$",
    "long": "head -c 2000000 /dev/zero",
    "nonsense": "echo nonsense",
}


@pytest.mark.parametrize(
    ("fault", "told"),
    [("stopped", ["fine", "fine"]), ("long", ["truncated", "fine"]), ("nonsense", ["truncated", "fine"])],
)
async def test_a_reader_that_fails_once_costs_its_file_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, told: list[str]
) -> None:
    program = tmp_path / "python"
    program.write_text(
        "#!/bin/sh\n"
        f'[ -e "$0.begun" ] || {{ touch "$0.begun"; read ask; {FAULTS[fault]}; read more; }}\n'
        """while read ask; do echo '{"code": "fine"}'; done\n"""
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    found = await read_photos(
        [tmp_path / "one", tmp_path / "two"],
        size=96,
        class_name="dog",
        bounds=Bounds(patience=2),
        log=tmp_path / "log",
    )
    assert [one.code for one in found] == told
