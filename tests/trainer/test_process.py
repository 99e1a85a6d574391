"""The real trainer process on the real mini model: what it leaves behind, and what a kill costs."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from pydantic import BaseModel
from safetensors.torch import load_file

from data.pipes import HEARTBEAT
from tests.bases import copy_mini
from tests.trainer.patient import LAST_STEP
from tests.training import QUICK, SELFIES, make_job, run, start, three_selfies
from trainer.events import (
    Cancelled,
    Checkpoint,
    Done,
    Failed,
    Progress,
    Sample,
    Started,
    parse_event,
)
from trainer.run import run_job


def weights(job: Path) -> dict[str, torch.Tensor]:
    """All weights that a job has trained and saved."""
    files = sorted((job / "model").glob("**/*.safetensors"))
    return {f"{file.parent.name}.{name}": value for file in files for name, value in load_file(file).items()}


def test_the_command_trains_saves_and_samples(tmp_path: Path) -> None:
    out, selfies = tmp_path / "out", three_selfies(tmp_path / "selfies")
    words = ["train", "--photos", str(selfies), "--name", "abraza", "--class", "person", "--base", "mini"]
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

    changed = (out / "model/model_index.json").stat().st_mtime_ns
    again: list[BaseModel] = []
    assert run_job(out, again.append, lambda: False)
    assert again == [*samples, done], "a finished job is only told again"
    assert (out / "model/model_index.json").stat().st_mtime_ns == changed


def test_who_stands_by_leaves_when_its_starter_does() -> None:
    status, events, _ = run(["--standby", "mini"])
    assert (status, events) == (0, [])


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_killed_job_goes_on_and_ends_with_the_same_weights(method: str, tmp_path: Path) -> None:
    recipe = QUICK.model_copy(
        update={"steps": 10, "method": method, "text_encoder_steps": 5, "preview_every": 5, "samples": 1}
    )
    job = make_job(tmp_path / "job", recipe)
    killed = make_job(tmp_path / "killed", recipe.model_copy(update={"checkpoint_seconds": 1e-6}))
    process = start([str(killed)], program="tests.trainer.patient", stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    for line in process.stdout:
        event = parse_event(line)
        if isinstance(event, Checkpoint) and event.step >= 3:
            process.send_signal(signal.SIGKILL)
            break
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not (killed / "model").exists()

    events: list[BaseModel] = []
    assert run_job(killed, events.append, lambda: False), events[-1]
    (started,) = (event for event in events if isinstance(event, Started))
    assert 3 <= started.resumed_step <= LAST_STEP
    assert [event.step for event in events if isinstance(event, Progress)][-1] == 10

    assert run_job(job, lambda _: None, lambda: False)
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
