"""What can't be published leaves nothing on the Hub."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from data.disk import locked
from data.errors import CodedError
from tests.hub import HubServer
from tests.trainer.publishing.steps import Run
from trainer.hub_names import PublishError

UNET = Path("unet/diffusion_pytorch_model.safetensors")


def cut(model: Path) -> None:
    (model / UNET).write_bytes((model / UNET).read_bytes()[:-1000])


def put(value: float) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        weights = load_file(model / UNET)
        weights["conv_in.weight"] = weights["conv_in.weight"].float()
        weights["conv_in.weight"][0, 0, 0, 0] = value
        save_file(weights, model / UNET, metadata={"format": "pt"})

    return change


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (cut, "base_incomplete"),
        (put(torch.nan), "bad_file"),
        (put(1e6), "half_overflow"),
        (lambda model: (model / UNET).unlink(), "base_incomplete"),
        (lambda model: (model / "scheduler/scheduler_config.json").unlink(), "base_incomplete"),
        (lambda model: (model.with_name("sample.png")).unlink(), "bad_file"),
        (shutil.rmtree, "unknown_base"),
    ],
    ids=["cut off", "no number", "too large for half", "no weights", "no scheduler", "no sample", "no model"],
)
@pytest.mark.parametrize("single_file", [True, False])
def test_a_model_that_will_not_do_is_refused_before_there_is_a_repository(
    hub: HubServer, run: Run, harm: object, code: str, single_file: bool
) -> None:
    assert callable(harm)
    harm(run.model)
    run.single_file = single_file
    with pytest.raises(CodedError) as caught:
        run()
    assert caught.value.code == code
    assert not hub.repos and all(call.startswith("GET ") for call in hub.calls)


def test_a_disk_that_is_full_is_noticed_before_there_is_a_repository(
    hub: HubServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("trainer.publish_stage.export", full)
    run.single_file = True
    with pytest.raises(OSError, match="No space left"):
        run()
    assert not hub.repos


@pytest.mark.parametrize(
    ("call", "status", "stays"),
    [
        ("POST /api/models/ann/abraza/commit", 403, False),
        ("POST /ann/abraza.git/info/lfs", 403, False),
        ("POST /ann/abraza.git/info/lfs", 507, True),
    ],
    ids=["commit refused", "upload refused", "the next try goes on"],
)
def test_a_repository_that_stays_empty_for_good_is_removed(
    hub: HubServer, run: Run, call: str, status: int, stays: bool
) -> None:
    hub.statuses[call] = status
    with pytest.raises(PublishError):
        run()
    assert ("ann/abraza" in hub.repos) == stays


def test_a_repository_that_was_there_or_holds_something_is_never_removed(hub: HubServer, run: Run) -> None:
    hub.statuses["POST /api/models/ann/abraza/commit"] = 507
    with pytest.raises(PublishError):
        run()
    hub.statuses["POST /api/models/ann/abraza/commit"] = 403
    with pytest.raises(PublishError):
        run()
    assert "ann/abraza" in hub.repos
    assert not any(call.startswith("DELETE") for call in hub.calls)


def test_a_model_is_published_by_one_at_a_time(hub: HubServer, run: Run) -> None:
    run.stage.mkdir()
    with locked(run.stage / "lock", pytest.fail), pytest.raises(PublishError) as caught:
        run()
    assert caught.value.code == "handover_running" and not hub.repos
    assert run().changed
