"""A publication takes the place of an earlier one, and of nothing else that is in the repository."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.bases import MINI
from tests.hub import HubServer, Repo
from tests.models import write_lora
from tests.trainer.publishing.steps import Run
from trainer.handover import MadePrivate
from trainer.hub import Hub
from trainer.hub_names import PublishError
from trainer.publish_files import LIST, LORA


@pytest.fixture
def lora(run: Run) -> Iterator[Run]:
    """The same run with a LoRA where the model is."""
    shutil.rmtree(run.model)
    write_lora(run.model)
    yield run


def test_a_full_model_leaves_nothing_of_a_former_lora(hub: HubServer, lora: Run, facts: Path) -> None:
    lora.single_file = True
    lora()
    repo = hub.repos["ann/abraza"]
    assert {LORA, LIST, "abraza.safetensors", "samples/0.png"} < repo.files.keys()
    foreign = {"handler.py": b"print()", "notes/today.md": b"mine", "other-lora.safetensors": b"mine too"}
    repo.files |= foreign

    shutil.rmtree(lora.model)
    shutil.copytree(MINI, lora.model)
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "name": "zoe", "samples": []}))
    done = lora()
    assert len(repo.commits) == 2
    assert done.others == ("handler.py", "notes/today.md", "other-lora.safetensors")
    assert {name: repo.files[name] for name in foreign} == foreign
    assert not {LORA, "abraza.safetensors", "samples/0.png"} & repo.files.keys()
    assert {"zoe.safetensors", "unet/config.json", ".gitattributes"} < repo.files.keys()
    written = set(repo.files) - set(foreign) - {".gitattributes"}
    assert set(json.loads(repo.files[LIST])["files"]) == written


def test_what_was_published_before_there_was_a_list_is_known_by_its_names(hub: HubServer, run: Run) -> None:
    repo = Repo("ann", private=True, commits=["abraza person, trained with Likeness"])
    old = ("abraza-lora.safetensors", "samples/7.png", "unet/diffusion_pytorch_model.fp16.safetensors")
    repo.files |= dict.fromkeys((*old, "samples/mine.png"), b"old")
    hub.repos["ann/abraza"] = repo
    assert run().others == ("samples/mine.png",)
    assert not set(old) & repo.files.keys() and "samples/mine.png" in repo.files


def test_a_list_that_cannot_be_read_names_nothing(hub: HubServer, run: Run) -> None:
    repo = Repo("ann", private=True, commits=["by hand"])
    repo.files |= {LIST: b"[", "mine.safetensors": b"mine"}
    hub.repos["ann/abraza"] = repo
    assert run().others == ("mine.safetensors",)


def test_the_single_file_is_left_out_where_it_is_not_wanted(hub: HubServer, run: Run) -> None:
    run.single_file = True
    run()
    run.single_file = False
    assert run().changed
    files = hub.repos["ann/abraza"].files
    assert "abraza.safetensors" not in files
    assert "abraza.safetensors" not in files["README.md"].decode()
    assert "unet/diffusion_pytorch_model.safetensors" in files


def test_a_public_repository_is_not_made_private_without_a_word(hub: HubServer, run: Run) -> None:
    run(public=True)
    hub.statuses["POST /api/models/ann/abraza/preupload"] = 403
    with pytest.raises(PublishError):
        run()
    assert MadePrivate(repo="ann/abraza") in run.events and hub.repos["ann/abraza"].private
    hub.statuses.clear()
    run()
    assert not any(isinstance(event, MadePrivate) for event in run.events)


def test_a_change_in_the_last_moment_is_not_mixed_with_ours(
    hub: HubServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.single_file = True
    run()
    repo = hub.repos["ann/abraza"]
    commit = Hub.commit

    def late(*arguments: object) -> str:
        repo.commits.append("somebody else's")
        return commit(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Hub, "commit", late)
    run.single_file = False
    with pytest.raises(PublishError) as caught:
        run()
    assert caught.value.code == "repo_conflict" and "abraza.safetensors" in repo.files
    assert "ann/abraza" in hub.repos
