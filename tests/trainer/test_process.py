"""The real trainer process on the real mini model: what it leaves behind, and what a kill costs."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file

from data.pipes import HEARTBEAT
from inference.bases import MINI
from inference.model import load
from inference.sampler import Brush, draw
from tests.bases import copy_mini
from tests.training import QUICK, SELFIES, make_job, run, start
from trainer.events import (
    Cancelled,
    Checkpoint,
    Done,
    Failed,
    LossPlot,
    Plan,
    Preview,
    Progress,
    Sample,
    Started,
    Strip,
    parse_event,
)


def weights(job: Path) -> dict[str, torch.Tensor]:
    """All weights that a job has trained and saved."""
    files = sorted((job / "model").glob("**/*.safetensors"))
    return {f"{file.parent.name}.{name}": value for file in files for name, value in load_file(file).items()}


def test_the_command_trains_saves_and_samples(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["train", "--photos", str(SELFIES), "--name", "abraza", "--class", "person", "--base", "mini"]
    words += ["--steps", "8", "--class-images", "2", "--class-image-steps", "2", "--sample-steps", "2"]
    words += ["--preview-steps", "2", "--method", "full"]
    words += ["--sample-prompt", "oil painting of abraza person", "--seed", "7", "--out", str(out)]
    status, events, log = run(words)
    assert status == 0, log
    done = events[-1]
    assert isinstance(done, Done)
    assert done.steps == 8
    samples = [event for event in events if isinstance(event, Sample)]
    assert [sample.seed for sample in samples] == [7, 8, 9, 10]
    with Image.open(samples[0].path) as picture:
        assert picture.size == (96, 96)
        assert picture.text["parameters"].startswith("oil painting of abraza person\nSteps: 2")
    assert sorted(path.name for path in out.iterdir() if not path.name.startswith(".")) == [
        "class_images", "job.json", "loss.png", "model", "photos", "previews", "result.jsonl", "samples",
        "strip.png",
    ]  # fmt: skip
    pipeline = StableDiffusionPipeline.from_pretrained(out / "model")
    picture = pipeline("photo of abraza person", num_inference_steps=1, output_type="np").images[0]
    assert picture.shape == (96, 96, 3)


def test_two_subjects_become_one_lora_that_draws_both(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["train", "--concept", f"abraza:person:{SELFIES}", "--concept", f"mirelu:cat:{SELFIES}"]
    words += ["--steps", "8", "--class-images", "2", "--class-image-steps", "2", "--sample-steps", "2"]
    words += ["--samples", "3", "--preview-steps", "2", "--method", "lora", "--lora-rank", "2"]
    status, events, log = run([*words, "--vae", str(MINI / "vae"), "--out", str(out)])
    assert status == 0, log
    samples = [event for event in events if isinstance(event, Sample)]
    assert [sample.prompt for sample in samples] == [
        "photo of abraza person", "photo of mirelu cat", "photo of abraza person",
    ]  # fmt: skip
    assert len(list((out / "class_images").glob("*/"))) == 2
    assert sorted(path.name for path in (out / "model").iterdir()) == ["lora.json", "lora.safetensors"]
    assert any(isinstance(event, Plan) and event.method == "lora" for event in events)
    assert [event.step for event in events if isinstance(event, Preview)] == [0, 2, 4, 6, 8]
    assert any(isinstance(event, LossPlot) for event in events)
    with Image.open(next(event.path for event in events if isinstance(event, Strip))) as strip:
        assert strip.width > 4 * strip.height / 2
    # What the trainer drew with its additions, the engine draws with them merged into the base.
    model = load(str(out / "model"), torch.device("cpu"), torch.float32)
    (again,) = draw(
        model, ["photo of mirelu cat"], [""], [samples[1].seed], Brush(2, 7.5, 96, 96), lambda _: None
    )
    with Image.open(samples[1].path) as drawn:
        difference = np.abs(np.asarray(drawn, dtype=float) - np.asarray(again, dtype=float))
    assert difference.mean() < 0.5


def test_a_run_that_learns_nothing_fails(tmp_path: Path) -> None:
    job = make_job(tmp_path / "job", QUICK.model_copy(update={"learning_rate": 1e-12, "steps": 2}))
    status, events, _ = run([str(job)])
    assert status == 1
    assert isinstance(events[-1], Failed)
    assert events[-1].code == "learned_nothing"
    assert not (job / "model").exists()


def test_who_stands_by_leaves_when_its_starter_does() -> None:
    status, events, _ = run(["--standby", "mini"])
    assert (status, events) == (0, [])


def test_a_finished_job_is_only_told_again(job: Path) -> None:
    first = run([str(job)])
    changed = (job / "model/model_index.json").stat().st_mtime_ns
    second = run([str(job)])
    assert first[0] == second[0] == 0
    assert [event for event in first[1] if isinstance(event, Sample | Done)] == second[1]
    assert (job / "model/model_index.json").stat().st_mtime_ns == changed


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_killed_job_goes_on_and_ends_with_the_same_weights(method: str, tmp_path: Path) -> None:
    longer = QUICK.model_copy(update={"steps": 24, "method": method, "text_encoder_steps": 12})
    job = make_job(tmp_path / "job", longer)
    killed = make_job(tmp_path / "killed", longer.model_copy(update={"checkpoint_seconds": 1e-6}))
    process = start([str(killed)], stdin=subprocess.DEVNULL, bufsize=0)
    assert process.stdout is not None
    if sys.platform == "linux":
        # Room for a dozen steps that are not read yet, so that a late kill still comes in the middle.
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    for line in process.stdout:
        event = parse_event(line)
        if isinstance(event, Checkpoint) and event.step >= 3:
            process.send_signal(signal.SIGKILL)
            break
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not (killed / "model").exists()

    status, events, log = run([str(killed)])
    assert status == 0, log
    (started,) = (event for event in events if isinstance(event, Started))
    assert 3 <= started.resumed_step < 24
    assert [event.step for event in events if isinstance(event, Progress)][-1] == 24

    assert run([str(job)])[0] == 0
    resumed, whole = weights(killed), weights(job)
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


@pytest.mark.parametrize("how", ["term", "starter gone"])
def test_a_stopped_job_leaves_a_checkpoint_first(tmp_path: Path, how: str) -> None:
    job = make_job(tmp_path / "job", QUICK.model_copy(update={"steps": 5000}))
    process = start([str(job), "--supervised"], stdin=subprocess.PIPE)
    assert process.stdout is not None and process.stdin is not None
    lines = (line for line in process.stdout if line != HEARTBEAT)
    for line in lines:
        if isinstance(parse_event(line), Progress):
            if how == "term":
                process.send_signal(signal.SIGTERM)
            else:
                process.stdin.close()
            break
    events = [parse_event(line) for line in lines]
    assert process.wait(timeout=60) == 3
    *_, checkpoint, cancelled = events
    assert isinstance(checkpoint, Checkpoint) and isinstance(cancelled, Cancelled)
    assert checkpoint.step == cancelled.step >= 10
    assert (job / "checkpoint.pt").exists()


def test_a_loss_that_is_no_number_stops_before_a_checkpoint(tmp_path: Path) -> None:
    recipe = QUICK.model_copy(update={"learning_rate": 1e30, "steps": 40})
    job = make_job(tmp_path / "job", recipe)
    status, events, _ = run([str(job)])
    assert status == 1
    assert isinstance(events[-1], Failed)
    assert events[-1].code == "loss_not_finite"
    assert not (job / "checkpoint.pt").exists()
    assert not (job / "model").exists()


def test_a_disk_that_is_full_for_a_moment_costs_a_checkpoint_and_pictures_but_no_training(
    tmp_path: Path,
) -> None:
    job = make_job(tmp_path / "job", QUICK.model_copy(update={"checkpoint_seconds": 1e-6}))
    # The device that is always full stands where each of these is written first.
    (job / "previews").mkdir()
    for file in ("checkpoint.pt", "loss.png", "previews/00000.png"):
        (job / f"{file}.incoming").symlink_to("/dev/full")
    status, events, log = run([str(job)])
    assert status == 0, log
    assert isinstance(events[-1], Done)
    assert any(isinstance(event, Checkpoint) for event in events)
    assert log.count("the disk is full") == 3
    assert list(job.rglob("*.incoming")) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"--name": "two words"}, "bad_name"),
        ({"--base": "my models/abraza"}, "unknown_base"),
        ({"--base": "{torn}"}, "base_incomplete"),
        ({"--photos": "nowhere"}, "no_photos"),
        ({"--steps": "0"}, "bad_job"),
        ({"--concept": "mirelu"}, "bad_job"),
        ({"--concept": f"ABRAZA:cat:{SELFIES}"}, "bad_job"),
    ],
)
def test_what_is_asked_wrongly_is_a_clear_error(tmp_path: Path, changes: dict[str, str], code: str) -> None:
    torn = copy_mini(tmp_path / "torn")
    (torn / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    changes = {option: value.replace("{torn}", str(torn)) for option, value in changes.items()}
    options = {"--photos": str(SELFIES), "--name": "abraza", "--base": "mini", "--out": str(tmp_path / "o")}
    status, events, _ = run(["train", *(word for pair in {**options, **changes}.items() for word in pair)])
    assert status in (1, 2)
    assert isinstance(events[-1], Failed)
    assert events[-1].code == code
    assert not (tmp_path / "o").exists()
