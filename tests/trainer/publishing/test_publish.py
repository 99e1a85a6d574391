"""Publishing against a Hub that speaks the real calls: what arrives, what is refused, what a break costs."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from inference.errors import ModelError
from tests.hub import FINE, FINE_READ, READ, WRITE, HubServer
from tests.trainer.publishing.steps import Run
from tests.training import ROOT
from trainer.handover import Moved, Published, parse_handover
from trainer.hub import PublishError
from trainer.publish import read_facts
from trainer.publish_card import Facts, SampleFact, model_card
from trainer.publish_files import LORA


def test_one_commit_holds_all_that_a_person_needs(hub: HubServer, run: Run, tmp_path: Path) -> None:
    run.single_file = True
    done = run()
    repo = hub.repos["ann/abraza"]
    assert done == Published(
        repo="ann/abraza", url=f"{hub.url}/ann/abraza", visibility="private", commit=repo.sha, changed=True
    )
    assert repo.private and len(repo.commits) == 1
    assert {"README.md", "abraza.safetensors", "samples/0.png", "model_index.json"} < repo.files.keys()
    assert {"tokenizer/vocab.json", "tokenizer/merges.txt", "unet/config.json"} < repo.files.keys()
    moved = [event for event in run.events if isinstance(event, Moved)]
    assert [event.stage for event in moved if event.stage == "upload"]
    assert max(event.done / event.total for event in moved if event.stage == "upload") == 1
    assert not run.stage.exists()

    for path, data in repo.files.items():
        (tmp_path / "got" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "got" / path).write_bytes(data)
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "got")
    assert pipeline("a person", num_inference_steps=1, output_type="np").images[0].shape == (96, 96, 3)


def test_again_is_repeatable_and_sends_nothing_twice(hub: HubServer, run: Run, facts: Path) -> None:
    first = run()
    sent = list(hub.uploads)
    assert run() == first.model_copy(update={"changed": False})
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "photos": 7}))
    third = run()
    assert third.changed and third.commit != first.commit
    assert len(hub.repos["ann/abraza"].commits) == 2
    assert hub.uploads == sent


def test_public_comes_after_the_commit_and_private_before_it(hub: HubServer, run: Run) -> None:
    assert run(public=True).visibility == "public"
    repo = hub.repos["ann/abraza"]
    assert not repo.private and not repo.was_public
    hub.calls.clear()
    run()
    assert repo.private
    settings = hub.calls.index("PUT /api/models/ann/abraza/settings")
    assert not any("preupload" in call for call in hub.calls[:settings])


@pytest.mark.parametrize(
    ("token", "repo", "code"),
    [
        (READ, "abraza", "token_read_only"),
        (FINE_READ, "abraza", "token_read_only"),
        ("hf_gone", "abraza", "token_invalid"),
        ("two words", "abraza", "token_invalid"),
        (WRITE, "bob/abraza", "repo_taken"),
        (WRITE, "a b", "repo_name"),
        (WRITE, "../x", "repo_name"),
    ],
)
def test_a_token_or_name_that_will_not_do_is_refused_before_the_first_byte(
    hub: HubServer, run: Run, token: str, repo: str, code: str
) -> None:
    with pytest.raises(PublishError) as caught:
        run(repo, token)
    assert caught.value.code == code
    assert token not in caught.value.message
    assert not hub.repos and set(hub.calls) <= {"GET /api/whoami-v2"}
    if code == "token_read_only":
        assert "https://huggingface.co/settings/tokens" in caught.value.message


def test_a_fine_grained_token_with_write_access_will_do(hub: HubServer, run: Run) -> None:
    assert run(token=FINE).repo == "ann/abraza"


@pytest.mark.parametrize(
    ("call", "status", "code"),
    [
        ("GET /api/models/ann/abraza/auth-check", 403, "repo_taken"),
        ("POST /api/repos/create", 403, "repo_taken"),
        ("POST /api/models/ann/abraza/preupload", 401, "token_invalid"),
        ("POST /api/models/ann/abraza/commit", 409, "repo_conflict"),
        ("POST /api/models/ann/abraza/commit", 403, "hub_refused"),
        ("GET /api/whoami-v2", 503, "hub_offline"),
    ],
)
def test_what_the_hub_refuses_is_a_sentence(
    hub: HubServer, run: Run, call: str, status: int, code: str
) -> None:
    hub.statuses[call] = status
    with pytest.raises(PublishError) as caught:
        run()
    assert caught.value.code == code
    assert not any(repo.commits for repo in hub.repos.values())


def test_the_hub_of_nobody_is_a_sentence(hub: HubServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(PublishError) as caught:
        run()
    assert caught.value.code == "hub_offline"


def test_a_network_that_wants_a_login_is_a_sentence(hub: HubServer, run: Run) -> None:
    hub.login_page = True
    with pytest.raises(PublishError) as caught:
        run()
    assert caught.value.code == "hub_offline"


def test_a_short_break_is_bridged(hub: HubServer, run: Run) -> None:
    hub.break_uploads = 1
    assert run().changed


def test_after_a_long_break_the_next_try_goes_on(
    hub: HubServer, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    hub.break_from, hub.break_uploads = 2, 100
    run.single_file = True
    with caplog.at_level(logging.INFO), pytest.raises(PublishError) as caught:
        run()
    assert caught.value.code == "hub_offline"
    # The server of the test runs in this process too, and logs what it is asked.
    said = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("aiohttp"))
    assert "signature" not in said + str(caught.value) and WRITE not in said
    arrived = list(hub.uploads)
    assert len(arrived) == 2 and not hub.repos["ann/abraza"].commits
    assert (run.stage / "abraza.safetensors").is_file()

    hub.break_uploads = 0
    assert run().changed
    assert len(hub.uploads) == len(set(hub.uploads)) == len(hub.repos["ann/abraza"].lfs)
    assert hub.uploads[:2] == arrived
    assert not run.stage.exists()


def test_the_command_takes_its_token_from_stdin_and_can_be_killed(
    hub: HubServer, model: Path, facts: Path
) -> None:
    words = ["publish", str(model), "--repo", "ann/abraza", "--facts", str(facts), "--token-stdin"]
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"}

    def begin() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "trainer", *words], cwd=ROOT, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(WRITE.encode() + b"\n")
        process.stdin.flush()
        return process

    hub.hold.clear()
    process = begin()
    while not any(call.startswith("PUT /lfs/") for call in hub.calls):
        assert process.poll() is None
        threading.Event().wait(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    hub.hold.set()

    out, log = begin().communicate(timeout=120)
    done = parse_handover(out.splitlines()[-1])
    assert isinstance(done, Published), log.decode()
    assert len(hub.repos["ann/abraza"].commits) == 1
    assert WRITE.encode() not in out + log
    assert b"signature" not in log


def test_a_card_has_valid_metadata_and_gives_no_path_away(tmp_path: Path) -> None:
    sample = SampleFact(
        path=tmp_path / "0.png", prompt='a "quoted": prompt | with `marks`\n---\nlicense: none'
    )
    facts = Facts(
        name="abraza", class_name="person", base="runwayml/stable-diffusion-v1-5", samples=(sample,)
    )
    _, front, text = model_card(facts, "ann/abraza", ()).split("---\n", 2)
    metadata = yaml.safe_load(front)
    assert metadata["base_model"] == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert metadata["license"] == "creativeml-openrail-m"
    assert metadata["pipeline_tag"] == "text-to-image"
    assert metadata["instance_prompt"] == "photo of abraza person"
    assert metadata["widget"] == [{"text": sample.prompt, "output": {"url": "samples/0.png"}}]
    assert 'from_pretrained("ann/abraza"' in text
    own = model_card(facts.model_copy(update={"base": str(tmp_path), "samples": ()}), "ann/abraza", ())
    assert str(tmp_path) not in own
    assert "base_model" not in yaml.safe_load(own.split("---\n", 2)[1])


def test_the_card_of_a_lora_names_its_file_and_its_base() -> None:
    facts = Facts(name="abraza", class_name="person", base="sd15", method="lora")
    _, front, text = model_card(facts, "ann/abraza", {LORA}).split("---\n", 2)
    metadata = yaml.safe_load(front)
    assert metadata["base_model_relation"] == "adapter" and "lora" in metadata["tags"]
    assert f'load_lora_weights("ann/abraza", weight_name="{LORA}")' in text
    assert f'from_pretrained("{metadata["base_model"]}"' in text and 'from_pretrained("ann/abraza"' in text
    assert "abraza.safetensors" not in text


def test_a_description_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "facts.json").write_text("{}")
    with pytest.raises(ModelError) as caught:
        read_facts(tmp_path / "facts.json")
    assert caught.value.code == "bad_facts"
