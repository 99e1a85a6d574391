"""`/publish`: the real trainer process, the mini model, and a Hub on loopback."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bot.app import App
from bot.config import Config
from bot.sandbox import World
from bot.services.refusal import Refusal
from bot.ui.handover_cards import ended_card
from data.models import Model
from tests.bot.cogs.handovers.steps import (
    READ_ONLY,
    SECONDS,
    fields,
    letters,
    publish,
    saying,
    settled,
    trained,
)
from tests.bot.face import eventually, text_of
from tests.fakes import ScriptedGpu
from tests.hub import WRITE, HubServer, Repo


async def test_a_model_is_published_privately_and_the_token_is_nowhere(
    here: World, app: App, hub: HubServer, model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    form = await here.visitor.slash(here.studio, "publish")
    assert form.modal is not None and "can be read while you type" in str(form.modal)
    answer = await here.visitor.submit_modal(form, fields(WRITE))
    assert answer.ephemeral
    said = await saying(answer, "It is private")
    assert f"{hub.url}/ann/abraza" in said
    await settled(app)

    repo = hub.repos["ann/abraza"]
    assert repo.private and len(repo.commits) == 1
    assert {"README.md", "abraza.safetensors", "samples/0.png", "unet/config.json"} < repo.files.keys()
    assert b"on 6 photos" in repo.files["README.md"]
    (lies,) = await app.publications.of_user(here.visitor.id)
    assert (lies.repository, lies.visibility, lies.revision) == ("ann/abraza", "private", repo.sha)
    assert lies.model_id == model.id
    listed = await here.visitor.slash(here.studio, "models")
    await here.visitor.click(listed.response, label="Open")
    assert f"private: {hub.url}/ann/abraza" in text_of(listed.response)

    assert await app.vault.get("user", here.visitor.id, "publish") is None
    assert not await app.publishing.keeps_token(here.visitor.id)
    assert WRITE not in said + caplog.text
    written = [file for file in (tmp_path / "home").rglob("*") if file.is_file()]
    assert [file for file in written if WRITE.encode() in file.read_bytes()] == []
    assert not any(app.files.handovers.iterdir())


async def test_it_is_public_only_after_a_second_yes(
    here: World, app: App, hub: HubServer, model: Model
) -> None:
    asked = await publish(here, public=True)
    assert "everybody in the world" in text_of(asked.response) and hub.calls == []
    await here.visitor.click(asked.response, label="No, call it off")
    await saying(asked, "Stopped")
    assert await app.vault.get("user", here.visitor.id, "publish") is None and hub.calls == []

    asked = await publish(here, public=True)
    await here.visitor.click(asked.response, label="Yes, for everybody")
    await saying(asked, "It is public")
    assert not hub.repos["ann/abraza"].private and not hub.repos["ann/abraza"].was_public


async def test_what_a_publication_found_in_its_repository_is_on_its_card(
    here: World, app: App, hub: HubServer, model: Model
) -> None:
    repo = hub.repos["ann/abraza"] = Repo("ann", private=False, commits=["by hand"])
    repo.files |= dict.fromkeys(("handler.py", "notes_of_*mine*.md", "samples/7.png"), b"mine")
    said = await saying(await publish(here, repository=f"{hub.url}/Ann/abraza.git"), "It is private")
    assert "It was public until now" in said and repo.private
    assert "left them alone: **notes\\_of\\_\\*mine\\*.md**" in said
    assert "endpoints run it instead of the model" in said
    assert "samples/7.png" not in said and "samples/7.png" not in repo.files
    assert (await settled(app)).repository == "ann/abraza"


async def test_an_address_with_a_token_in_it_is_kept_without_it(
    here: World, app: App, hub: HubServer, model: Model
) -> None:
    asked = await publish(here, repository="https://ann:hf_hidden@huggingface.co/ann/abraza", public=True)
    assert "**ann/abraza** would be" in text_of(asked.response)
    handover = await app.handovers.get(1)
    assert handover is not None and "hf_hidden" not in repr(handover)


async def test_a_repository_can_be_deployed_by_its_address(here: World, app: App) -> None:
    address = "https://huggingface.co/ann/abraza.git"
    with pytest.raises(
        Refusal, match="endpoint_no_token"
    ):  # as with ann/abraza, and no sentence about a name
        await app.endpoint_deploys.offer("user", here.visitor.id, address, "aws/small")


async def test_a_repository_that_had_to_be_made_private_is_told_of_however_it_ends(
    here: World, app: App, hub: HubServer, model: Model
) -> None:
    hub.repos["ann/abraza"] = Repo("ann", private=False, commits=["by hand"])
    hub.statuses["POST /api/models/ann/abraza/preupload"] = 403
    said = await saying(await publish(here), "Hugging Face refused")
    assert "It was public until now" in said
    stopped = replace(await settled(app), state="cancelled")
    assert "It was public until now" in str(ended_card(stopped, model, None, 0).to_components())


async def test_an_operator_can_do_without_the_single_file(
    here: World, hub: HubServer, gpu: ScriptedGpu, tmp_path: Path
) -> None:
    app = App(Config(_env_file=None, home=tmp_path / "lean", hub=hub.url, publish_single_file=False), gpu=gpu)
    await app.start()
    try:
        await here.env.restart_bot(app.bot)
        await trained(app, here, here.visitor.id)
        await saying(await publish(here), "It is private")
        assert "abraza.safetensors" not in hub.repos["ann/abraza"].files
    finally:
        await app.close()


@pytest.mark.parametrize(
    ("token", "repository", "status", "sentence"),
    [
        (READ_ONLY, "abraza", 200, "type **Write**"),
        (WRITE, "bob/abraza", 200, "belongs to somebody else"),
        (WRITE, "abraza", 503, "connection to Hugging Face broke"),
    ],
)
async def test_what_will_not_do_is_a_sentence_before_the_first_byte(
    here: World,
    app: App,
    hub: HubServer,
    model: Model,
    token: str,
    repository: str,
    status: int,
    sentence: str,
) -> None:
    if status != 200:
        hub.statuses["GET /api/whoami-v2"] = status
    answer = await publish(here, token, repository)
    await saying(answer, sentence)
    await settled(app)
    assert [call for call in hub.calls if not call.startswith("GET /api/")] == [] and not hub.repos
    assert await app.vault.get("user", here.visitor.id, "publish") is None
    form = await here.visitor.click(answer.response, label="Try again")
    assert form.modal is not None and repository in str(form.modal)


async def test_the_second_question_outlives_a_restart(
    here: World, app: App, hub: HubServer, model: Model, gpu: ScriptedGpu
) -> None:
    asked = await publish(here, public=True)
    await app.close()
    after = App(app.config, gpu=gpu)
    await after.start()
    try:
        await here.env.restart_bot(after.bot)
        assert await after.vault.get("user", here.visitor.id, "publish") is not None
        await here.visitor.click(asked.response, label="No, call it off")
        assert "Stopped" in text_of(asked.response)
        with pytest.raises(Refusal, match="no_such_handover"):
            await after.publishing.say_yes(1, here.visitor.id)
        assert hub.calls == []
    finally:
        await after.close()


async def test_after_a_break_in_the_middle_the_next_try_goes_on(
    here: World, app: App, hub: HubServer, model: Model
) -> None:
    hub.hold.clear()
    broken = await publish(here, keep=True)
    await eventually(lambda: any(call.startswith("PUT /lfs/") for call in hub.calls), SECONDS)
    # Not 503, with which the library tries for half a minute more.
    hub.statuses["POST /ann/abraza.git/info/lfs"] = 507
    hub.hold.set()
    await saying(broken, "or it is not well")
    await settled(app)
    assert len(hub.uploads) == 1 and not hub.repos["ann/abraza"].commits

    hub.statuses.clear()
    form = await here.visitor.click(broken.response, label="Try again")
    assert "the one that I keep" in str(form.modal)
    again = await here.visitor.submit_modal(form, fields(""))
    await saying(again, "It is private")
    assert len(hub.uploads) == len(set(hub.uploads)) == len(hub.repos["ann/abraza"].lfs)


async def test_a_publication_goes_on_after_a_restart_and_ends_in_a_direct_message(
    here: World, app: App, hub: HubServer, model: Model, gpu: ScriptedGpu
) -> None:
    hub.hold.clear()
    await publish(here, keep=True)
    await eventually(lambda: any(call.startswith("PUT /lfs/") for call in hub.calls), SECONDS)
    second = await here.visitor.slash(here.studio, "publish")
    refused = await here.visitor.submit_modal(second, fields(WRITE))
    assert "already exporting or publishing" in text_of(refused.response)
    await app.close()
    after = App(app.config, gpu=gpu)
    await after.start()
    try:
        await here.env.restart_bot(after.bot)
        (letter,) = await eventually(lambda: letters(here, "Uploading…"), SECONDS)
        assert "### Publishing abraza as abraza" in text_of(letter) and "**0%** · 0 KiB" in text_of(letter)
        hub.hold.set()
        (letter,) = await eventually(lambda: letters(here, "It is private"), SECONDS)
        assert "I keep your token" in text_of(letter)
        assert len(here.visitor.user.dm_channel.history()) == 1
        assert len(hub.repos["ann/abraza"].commits) == 1
        assert await after.publishing.keeps_token(here.visitor.id)
        assert await after.vault.get("user", here.visitor.id, "publish") is None
    finally:
        await after.close()


async def test_a_cancelled_publication_leaves_no_process_no_token_and_no_commit(
    here: World, app: App, hub: HubServer, model: Model
) -> None:
    hub.hold.clear()
    answer = await publish(here, keep=True)
    await eventually(lambda: any(call.startswith("PUT /lfs/") for call in hub.calls), SECONDS)
    friend = here.guild.add_member(here.env.create_user("friend"))
    with pytest.raises(Refusal, match="no_such_handover"):
        await app.publishing.cancel(1, friend.id)
    await here.visitor.click(answer.response, label="Cancel")
    assert "Stopped" in text_of(answer.response)
    hub.hold.set()
    await settled(app)
    assert not hub.repos["ann/abraza"].commits
    assert not await app.publishing.keeps_token(here.visitor.id)
    assert await app.vault.get("user", here.visitor.id, "publish") is None
    assert not any(app.files.handovers.iterdir())


async def test_what_is_somebody_elses_stays_theirs(here: World, app: App) -> None:
    friend = here.guild.add_member(here.env.create_user("friend"))
    theirs = await trained(app, here, friend.id)
    await app.models.share(theirs.id, True)
    refused = await here.visitor.slash(here.studio, "publish", model=str(theirs.id))
    assert "not yours, or not here any more" in text_of(refused.response)
    assert "no model on this server" in text_of((await here.visitor.slash(here.studio, "publish")).response)
    assert await here.visitor.autocomplete(here.studio, "publish", "model", "abraza") == []
    with pytest.raises(Refusal, match="no_such_model"):
        await app.publishing.export(theirs.id, "ckpt", True, user_id=here.visitor.id, locale="en")


async def test_erasing_a_person_stops_what_runs_and_takes_the_token_along(
    here: World, app: App, hub: HubServer, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.statuses["GET /api/whoami-v2"] = 503
    await publish(here, public=True)
    app.files.handover(1).mkdir()

    def breaks(_: Path, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as failing:
        failing.setattr(shutil, "rmtree", breaks)
        assert not await app.privacy.erase_person(here.visitor.id), "files are left"
    await app.privacy.resume()
    assert not any(app.files.handovers.iterdir())
    assert await app.vault.get("user", here.visitor.id, "publish") is None
    assert await app.handovers.get(1) is None and hub.calls == []


@pytest.mark.parametrize("said", ["²", "①", str(2**63), "9" * 5000, "1"])
async def test_whatever_names_no_model_of_ones_own_gets_one_answer(here: World, app: App, said: str) -> None:
    friend = here.guild.add_member(here.env.create_user("friend"))
    await trained(app, here, friend.id)
    answered = await here.visitor.slash(here.studio, "publish", model=said)
    assert (
        text_of(answered.response) == "That model is not yours, or not here any more. `/models` lists yours."
    )
