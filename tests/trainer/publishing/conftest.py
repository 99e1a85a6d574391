"""A Hub on loopback, and a model with its description to put there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
from huggingface_hub.utils import _http
from PIL import Image

from inference.bases import MINI
from tests.hub import HubServer, running_hub
from tests.trainer.publishing.steps import Run
from trainer.publish_card import Facts, SampleFact


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with running_hub() as hub:
        constants = huggingface_hub.constants
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", hub.url)
        files = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
        monkeypatch.setattr(_http.time, "sleep", lambda _: None)
        yield hub


@pytest.fixture
def model(tmp_path: Path) -> Path:
    shutil.copytree(MINI, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    """A description, with one sample."""
    Image.new("RGB", (8, 8), "red").save(tmp_path / "sample.png")
    sample = SampleFact(path=tmp_path / "sample.png", prompt='a "quoted": prompt | with `marks`')
    described = Facts(
        name="abraza", class_name="person", base="mini", photos=6, recipe={"steps": 320}, samples=(sample,)
    )
    (tmp_path / "facts.json").write_text(described.model_dump_json())
    return tmp_path / "facts.json"


@pytest.fixture
def run(model: Path, facts: Path) -> Run:
    return Run(model, facts)
