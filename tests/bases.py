"""Base models for a test: folders with the bundled model's configuration, and a Hub that has such models."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
from huggingface_hub.utils import _http
from safetensors.torch import load_file, save_file

from inference import bases
from inference.bases import MINI
from tests.hub import HubServer, Repo, running_hub

WEIGHTS = {
    "unet": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
}


def copy_mini(folder: Path, **changes: dict[str, object]) -> Path:
    """The bundled model under another name; `changes` are to the configurations of its parts.

    Its weights are links: whoever changes one puts another file in its place.
    """
    shutil.copytree(MINI, folder, copy_function=_link_weights)
    for part, values in changes.items():
        file = "scheduler_config.json" if part == "scheduler" else "config.json"
        edit(folder / part / file, **values)
    return folder


def _link_weights(source: str, target: str) -> None:
    if source.endswith(".safetensors"):
        Path(target).symlink_to(source)
    else:
        shutil.copy(source, target)


def edit(file: Path, **values: object) -> None:
    """Change values of a JSON file."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def make_half(folder: Path) -> Path:
    """Keep a model's weights in half precision only, named as diffusers names that variant."""
    for part, name in WEIGHTS.items():
        file = folder / part / name
        halves = {key: value.half() for key, value in load_file(file).items()}
        save_file(halves, file.with_suffix(".fp16.safetensors"), metadata={"format": "pt"})
        file.unlink()
    return folder


def repository(folder: Path, *, private: bool = False) -> Repo:
    """A folder's files as a repository of ann's."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return Repo("ann", private, files, commits=["all"])


@contextlib.contextmanager
def hub_of_bases(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[HubServer]:
    """A Hub that huggingface_hub asks in this process, with an empty cache."""
    constants = huggingface_hub.constants
    with running_hub() as hub:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        point_at(monkeypatch, hub.url)
        monkeypatch.setattr(_http.time, "sleep", lambda _: None)
        bases._examined.cache_clear()
        yield hub


def point_at(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Make huggingface_hub ask another Hub."""
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
