"""The demo's script and report, with a scripted Gpu; the figures need the mini model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.demo import MEASURED, demo, identity_share
from bot.selfies import FOLDER, TAKEN, selfies, strip
from tests.fakes import ScriptedGpu
from trainer.events import Failed


async def test_the_report_tells_what_was_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gpu = ScriptedGpu()
    assert await demo(tmp_path / "demo", gpu) == 0

    report = json.loads((tmp_path / "demo" / "report.json").read_text())
    assert report["install_ok"]
    assert report["error"] is None
    assert [len(report["samples"]), len(report["pictures"])] == [4, 4]
    shown = {path.name for path in (tmp_path / "demo").glob("*.png")}
    assert {Path(path).name for path in (*report["samples"], *report["pictures"])} == shown
    assert 0 <= report["identity_before"] <= 1
    prompts = [request.prompt for request in gpu.drawn]
    imagined = "oil painting of abraza person wearing a top hat"
    assert prompts == [imagined, "photo of abraza person", "photo of abraza person"]
    assert gpu.drawn[1].model == "mini"
    assert gpu.drawn[2].count == MEASURED
    assert "identity after" in capsys.readouterr().out


async def test_a_failure_is_reported_and_counts(tmp_path: Path) -> None:
    gpu = ScriptedGpu(train_failure=Failed(code="learned_nothing", message="It has learned nothing."))
    assert await demo(tmp_path / "demo", gpu) == 1

    report = json.loads((tmp_path / "demo" / "report.json").read_text())
    assert "It has learned nothing." in report["error"]


async def test_an_earlier_run_is_no_hindrance(tmp_path: Path) -> None:
    assert await demo(tmp_path / "demo", ScriptedGpu()) == 0
    assert await demo(tmp_path / "demo", ScriptedGpu()) == 0


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("kept", ["home/anybody/letter.txt", "identity-cards/mine.png", "picture-1.png"])
async def test_a_folder_with_other_files_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kept: str
) -> None:
    file = tmp_path / kept
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mine")
    assert await demo(tmp_path, ScriptedGpu()) == 1
    assert "choose another --out" in capsys.readouterr().err
    assert files_in(tmp_path) == [file]


@pytest.mark.parametrize("report", ['{"sales": 3}', "[]", "sales"])
async def test_a_folder_with_another_programs_report_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], report: str
) -> None:
    (tmp_path / "report.json").write_text(report)
    (tmp_path / "home").mkdir()
    (tmp_path / "home/letter.txt").write_text("mine")
    assert await demo(tmp_path, ScriptedGpu()) == 1
    assert "choose another --out" in capsys.readouterr().err
    assert len(files_in(tmp_path)) == 2


def test_the_selfies_show_their_own_identity() -> None:
    assert identity_share(sorted(FOLDER.glob("*.jpg"))) >= 0.9


def test_a_training_takes_the_first_selfies() -> None:
    taken = selfies()
    assert [one.filename for one in taken] == [f"selfie-{number:02d}.jpg" for number in range(1, TAKEN + 1)]
    assert strip()[:3] == b"\xff\xd8\xff"
