"""Base models on the Hub: known by their configuration, refused before their weights are fetched."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from inference import bases
from inference.bases import locate, look_up, resolve
from inference.errors import ModelError
from inference.model import load
from tests.bases import copy_mini, edit, hub_of_bases, make_half, point_at, repository
from tests.hub import HubServer
from tests.models import write_safety_checker

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    with hub_of_bases(monkeypatch, tmp_path / "cache") as hub:
        yield hub


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What becomes a repository."""
    return copy_mini(
        tmp_path / "model", unet={"sample_size": 32}, scheduler={"prediction_type": "v_prediction"}
    )


def fetched(hub: HubServer) -> set[str]:
    return {call.rpartition("/")[2] for call in hub.calls if call.startswith("GET /ann/")}


def test_a_hub_model_is_known_by_its_configuration(hub: HubServer, folder: Path) -> None:
    hub.repos["ann/model"] = repository(folder)
    base, files = look_up("ann/model")
    assert (base.resolution, base.size_step, base.prediction_type, base.preset, files) == (
        128, 16, "v_prediction", "mini", "hub",
    )  # fmt: skip
    assert fetched(hub) == {"model_index.json", "config.json", "scheduler_config.json"}


def test_what_was_asked_once_is_known_without_the_hub(
    hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos["ann/model"] = repository(folder)
    base = look_up("ann/model").base
    hub.calls.clear()
    assert look_up("ann/model") == (base, "hub") and hub.calls == []
    bases._examined.cache_clear()  # as another process finds it
    point_at(monkeypatch, NOWHERE)
    assert resolve("ann/model") == base
    assert look_up("ann/model") == (base, "unknown")
    with pytest.raises(ModelError, match="can't be reached") as caught:
        locate("ann/model")
    assert caught.value.code == "base_unreachable"


def test_of_a_hub_model_that_was_never_asked_for_nothing_is_made_up(hub: HubServer, folder: Path) -> None:
    hub.repos["ann/model"] = repository(folder)
    with pytest.raises(ModelError) as caught:
        resolve("ann/model")
    assert caught.value.code == "base_unreachable" and hub.calls == []


def test_a_model_in_half_precision_is_fetched_without_what_is_not_read(hub: HubServer, folder: Path) -> None:
    hub.repos["ann/half"] = repository(make_half(folder))
    hub.repos["ann/half"].files |= {
        "unet/diffusion_pytorch_model.fp16.bin": b"pickle",
        "unet/diffusion_pytorch_model.non_ema.safetensors": b"other",
        "whole.safetensors": b"single file",
    }
    assert load("ann/half", torch.device("cpu"), torch.float32).unet.dtype == torch.float32
    weights = {"diffusion_pytorch_model.fp16.safetensors", "model.fp16.safetensors"}
    assert {name for name in fetched(hub) if not name.endswith((".json", ".txt"))} == weights


def test_what_is_here_and_whole_is_not_asked_for_again(
    hub: HubServer, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub.repos["ann/model"] = repository(folder)
    with caplog.at_level(logging.INFO):
        there = locate("ann/model")
    assert hub.url not in caplog.text, "on the real Hub, addresses of weights are signed"
    hub.calls.clear()
    assert locate("ann/model") == there and look_up("ann/model").files == "here"
    assert hub.calls == []
    weights = there / "vae" / "diffusion_pytorch_model.safetensors"
    weights.unlink()  # as a download that broke off leaves it
    assert locate("ann/model") == there and weights.exists()


def test_a_base_whose_safety_checker_is_no_file_for_us_is_here_without_the_hub(
    hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(folder / "model_index.json", safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"])
    repo = hub.repos["ann/model"] = repository(folder)
    repo.files["safety_checker/pytorch_model.bin"] = b"pickle"
    there = locate("ann/model")
    hub.repos.clear()  # gone for good
    assert locate("ann/model") == there and look_up("ann/model").files == "here"
    point_at(monkeypatch, NOWHERE)
    assert locate("ann/model") == there and look_up("ann/model").files == "here"


def test_a_safety_checker_that_is_missing_is_fetched(hub: HubServer, folder: Path) -> None:
    edit(folder / "model_index.json", safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"])
    write_safety_checker(folder, flags=True)
    hub.repos["ann/model"] = repository(folder)
    weights = locate("ann/model") / "safety_checker" / "model.safetensors"
    weights.unlink()  # as a download that broke off leaves it
    locate("ann/model")
    assert weights.exists()


@pytest.mark.parametrize(
    ("file", "changes", "code", "said"),
    [
        ("model_index.json", {"_class_name": "StableDiffusionXLPipeline"}, "unsupported_architecture", "XL"),
        ("unet/config.json", {"in_channels": 9}, "unsupported_architecture", "inpainting"),
        ("unet/config.json", {"sample_size": None}, "base_incomplete", "unet/config.json of 'ann/odd'"),
    ],
)
def test_another_architecture_is_refused_before_its_weights_are_fetched(
    hub: HubServer, folder: Path, file: str, changes: dict[str, object], code: str, said: str
) -> None:
    edit(folder / file, **changes)
    hub.repos["ann/odd"] = repository(folder)
    for ask in (look_up, locate):
        with pytest.raises(ModelError, match=said) as caught:
            ask("ann/odd")
        assert caught.value.code == code
    assert not any(name.endswith(".safetensors") for name in fetched(hub))


def test_a_repository_without_usable_weights_is_refused(hub: HubServer, folder: Path) -> None:
    repo = hub.repos["ann/bin"] = repository(folder)
    repo.files["unet/diffusion_pytorch_model.bin"] = repo.files.pop(
        "unet/diffusion_pytorch_model.safetensors"
    )
    with pytest.raises(ModelError, match=r"unet \(it has only diffusion_pytorch_model.bin") as caught:
        look_up("ann/bin")
    assert caught.value.code == "base_incomplete"
    repo.files = {"model.ckpt": b"", "README.md": b""}
    with pytest.raises(ModelError, match="no diffusers model"):
        look_up("ann/bin")


@pytest.mark.parametrize(
    ("trouble", "code", "said"),
    [
        ("none", "unknown_base", "no folder 'ann/model', and no such model on the Hub"),
        ("private", "unknown_base", "for a private model, set HF_TOKEN"),
        ("gated", "base_refused", "accept it .* then set HF_TOKEN"),
        ("token", "base_refused", "check HF_TOKEN"),
        ("403", "base_refused", "check HF_TOKEN"),
        ("503", "base_unreachable", "can't be reached"),
        ("429", "base_unreachable", "can't be reached"),
        ("page", "base_unreachable", "can't be reached"),
    ],
)
def test_why_a_model_can_not_be_had_is_a_sentence(
    hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch, trouble: str, code: str, said: str
) -> None:
    if trouble != "none":
        repo = hub.repos["ann/model"] = repository(folder)
        repo.private, repo.gated = trouble == "private", trouble == "gated"
    if trouble == "token":
        monkeypatch.setenv("HF_TOKEN", "hf_secret-of-somebody")
    hub.login_page = trouble == "page"
    if trouble.isdigit():
        hub.statuses["GET /api/models/ann/model"] = int(trouble)
    for ask in (look_up, locate):
        with pytest.raises(ModelError, match=said) as caught:
            ask("ann/model")
        assert caught.value.code == code
        assert "secret" not in str(caught.value) and caught.value.__cause__ is None
