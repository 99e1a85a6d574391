"""`/publish` and Export: the real trainer process, the mini model, and a Hub on loopback."""

from __future__ import annotations

import logging
import shutil
from collections.abc import AsyncGenerator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import discord
import pytest
from simcord.results import InteractionResult

from bot.app import App
from bot.config import Config
from bot.sandbox import World
from bot.services.refusal import Refusal
from data.handovers import Handover
from data.jobs import JobKind
from data.models import Method, Model
from inference.bases import MINI
from tests.bot.face import eventually, parts_of, text_of
from tests.fakes import ScriptedGpu, paint
from tests.hub import READ, WRITE, HubServer, running_hub
from tests.models import write_lora

READ_ONLY = "hf_read_only"  # tests.hub's own is shorter than any token
SECONDS = 90.0
"""What a process may take on a busy machine."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    with running_hub() as hub:
        hub.tokens[READ_ONLY] = hub.tokens[READ]
        yield hub


@pytest.fixture
async def app(tmp_path: Path, gpu: ScriptedGpu, hub: HubServer) -> AsyncGenerator[App, None]:
    app = App(Config(_env_file=None, home=tmp_path / "home", hub=hub.url), gpu=gpu)
    await app.start()
    yield app
    await app.close()


@pytest.fixture
async def model(here: World, app: App) -> Model:
    return await trained(app, here, here.visitor.id)


async def trained(app: App, here: World, owner: int, method: Method = "full") -> Model:
    """The mini model, or a LoRA for it, as if it had been trained here; with one sample."""
    job = await app.jobs.create(
        JobKind.train, payload="{}", user_id=owner, guild_id=here.guild.id, channel_id=8, locale="en"
    )
    await app.jobs.start(job.id)
    await app.jobs.finish(job.id)
    await app.jobs.mark_announced(job.id)
    model = await app.models.create(
        owner_id=owner,
        guild_id=here.guild.id,
        name="abraza",
        class_name="person",
        base="mini",
        photos=6,
        steps=9,
        job_id=job.id,
        method=method,
    )
    if method == "lora":
        write_lora(model.path)
    else:
        shutil.copytree(MINI, model.path)
    folder = app.files.pictures(job.id)
    folder.mkdir()
    paint(folder / "0.png", 0)
    await app.pictures.add(
        job_id=job.id,
        idx=0,
        path=folder / "0.png",
        prompt="photo of abraza person",
        seed=1,
        width=8,
        height=8,
    )
    return model


async def publish(
    here: World, token: str = WRITE, repository: str = "abraza", public: bool = False, keep: bool = False
) -> InteractionResult:
    """`/publish` with its form filled in."""
    form = await here.visitor.slash(here.studio, "publish", repository=repository)
    return await here.visitor.submit_modal(form, fields(token, repository, public, keep))


def fields(
    token: str, repository: str = "abraza", public: bool = False, keep: bool = False
) -> dict[str, object]:
    return {"repository": repository, "token": token, "public": public, "keep": keep}


async def saying(answer: InteractionResult, needle: str) -> str:
    """The text of a card once it says so."""

    def look() -> str:
        said = text_of(answer.response)
        return said if needle in said else ""

    return await eventually(look, SECONDS)


def letters(here: World, needle: str) -> list[discord.Message]:
    """Direct messages to the visitor that say so."""
    return [one for one in here.visitor.user.dm_channel.history() if needle in text_of(one)]


async def settled(app: App, number: int = 1) -> Handover:
    """A handover that ended and was told."""

    async def look() -> Handover | None:
        found = await app.handovers.get(number)
        return found if found is not None and found.announced else None

    found = await eventually(look, SECONDS)
    assert found is not None
    return found


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
    hub.statuses["POST /ann/abraza.git/info/lfs"] = 403
    hub.hold.set()
    await saying(broken, "Hugging Face refused")
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
    with pytest.raises(Refusal, match="not_yours"):
        await app.publishing.cancel(1, friend.id)
    await here.visitor.click(answer.response, label="Cancel")
    assert "Stopped" in text_of(answer.response)
    hub.hold.set()
    await settled(app)
    assert not hub.repos["ann/abraza"].commits
    assert not await app.publishing.keeps_token(here.visitor.id)
    assert await app.vault.get("user", here.visitor.id, "publish") is None
    assert not any(app.files.handovers.iterdir())


async def test_an_export_is_attached_where_it_fits(
    here: World, app: App, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = await exporting(here)
    assert "LoRA" not in text_of(shown.response)
    await here.visitor.click(shown.response, label="safetensors · half precision")
    assert "**abraza-fp16.safetensors**" in await saying(shown, "Here is")
    (file,) = attached(shown)
    kept = await settled(app)
    assert kept.path is not None and file["size"] == kept.size_bytes == kept.path.stat().st_size
    assert kept.path.read_bytes()[8:9] == b"{"

    again = await exporting(here)
    here.env.inject_error("PATCH", "/webhooks/*", status=413)
    await here.visitor.click(again.response, label="safetensors · half precision")
    assert "files may have 10.0 MiB at most" in text_of(again.response) and attached(again) == []

    read = discord.Interaction._from_data
    limit = {"attachment_size_limit": 10 * 2**20}
    monkeypatch.setattr(discord.Interaction, "_from_data", lambda self, data: read(self, {**data, **limit}))
    again = await exporting(here)
    await here.visitor.click(again.response, label="safetensors · half precision")
    said = text_of(again.response)
    assert "files may have 10.0 MiB at most" in said and attached(again) == []
    assert "handovers/1/1/abraza-fp16.safetensors" in said
    form = await here.visitor.click(again.response, label="Publish")
    assert form.modal is not None

    listed = await here.visitor.slash(here.studio, "models")
    await here.visitor.click(listed.response, label="Open")
    sure = await here.visitor.click(listed.response, label="Delete")
    await here.visitor.click(sure.response, label="Delete for good")
    assert not kept.path.exists() and await app.handovers.get(1) is None
    gone = await here.visitor.click(again.response, label="Publish")
    assert "not here any more" in text_of(gone.response)


async def test_a_lora_is_exported_alone_and_a_late_file_comes_as_a_direct_message(
    here: World, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.handovers._LIVE", timedelta(0))
    await trained(app, here, here.visitor.id, "lora")
    shown = await exporting(here)
    await here.visitor.click(shown.response, label="LoRA · half precision")
    assert "I go on in a direct message" in text_of(shown.response)
    (letter,) = await eventually(lambda: letters(here, "Here is"), SECONDS)
    assert [file.filename for file in letter.attachments] == ["abraza-lora-fp16.safetensors"]
    assert len(here.visitor.user.dm_channel.history()) == 1


async def test_what_is_somebody_elses_stays_theirs(here: World, app: App) -> None:
    friend = here.guild.add_member(here.env.create_user("friend"))
    theirs = await trained(app, here, friend.id)
    await app.models.share(theirs.id, True)
    refused = await here.visitor.slash(here.studio, "publish", model=str(theirs.id))
    assert "belongs to somebody else" in text_of(refused.response)
    assert "no model on this server" in text_of((await here.visitor.slash(here.studio, "publish")).response)
    assert await here.visitor.autocomplete(here.studio, "publish", "model", "abraza") == []
    with pytest.raises(Refusal, match="not_yours"):
        await app.publishing.export(theirs.id, "ckpt", True, user_id=here.visitor.id, locale="en")


async def test_erasing_a_person_stops_what_runs_and_takes_the_token_along(
    here: World, app: App, hub: HubServer, model: Model
) -> None:
    hub.statuses["GET /api/whoami-v2"] = 503
    await publish(here, public=True)
    await app.privacy.erase_person(here.visitor.id)
    assert await app.vault.get("user", here.visitor.id, "publish") is None
    assert await app.handovers.get(1) is None and hub.calls == []


async def test_what_was_interrupted_too_often_is_given_up(here: World, app: App, model: Model) -> None:
    handover = await recorded(app, model)
    async with app.db.transaction() as tx:
        await tx.execute("UPDATE handovers SET attempts = 3")
    app.handover_runner.wake()
    lost = await settled(app, handover.id)
    assert letters(here, "It broke off")
    assert (lost.state, lost.error_code) == ("failed", "handover_lost")


async def test_closed_direct_messages_keep_nothing_waiting(here: World, app: App, model: Model) -> None:
    path = f"/channels/{here.visitor.user.dm_channel.id}/messages"
    here.env.inject_error("POST", path, status=403, times=None)
    handover = await recorded(app, model)
    async with app.db.transaction() as tx:
        await app.handovers.end(handover.id, "failed", tx, error_code="disk_full")
    app.handover_runner.wake()
    await settled(app, handover.id)
    assert not here.visitor.user.dm_channel.history()


async def test_files_and_open_questions_are_forgotten_when_their_time_is_over(
    here: World, app: App, model: Model
) -> None:
    kept = await recorded(app, model)
    file = app.files.handover(kept.id) / "1" / "abraza.ckpt"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    async with app.db.transaction() as tx:
        await app.handovers.end(kept.id, "done", tx, path=app.files.relative(file), size_bytes=7)
    await app.handovers.mark_announced(kept.id)
    asked = await publish(here, public=True)
    assert "everybody in the world" in text_of(asked.response) and file.exists()
    async with app.db.transaction() as tx:
        for time in ("created_at", "finished_at"):
            await tx.execute(f"UPDATE handovers SET {time} = {time} - 4 * 86400")
    app.handover_runner.wake()

    async def gone() -> bool:
        return not await app.handovers.ids_of("user_id", here.visitor.id)

    await eventually(gone)
    await eventually(lambda: not file.exists())
    assert await app.vault.get("user", here.visitor.id, "publish") is None


async def recorded(app: App, model: Model) -> Handover:
    """An export that nobody was asked for."""
    async with app.db.transaction() as tx:
        handover = await app.handovers.create(
            "export",
            "running",
            user_id=model.owner_id,
            guild_id=model.guild_id,
            model_id=model.id,
            locale="en",
            format="ckpt",
            tx=tx,
        )
    assert handover is not None
    return handover


async def exporting(here: World) -> InteractionResult:
    """The choice that Export offers on the card of the visitor's own model."""
    listed = await here.visitor.slash(here.studio, "models")
    await here.visitor.click(listed.response, label="Open")
    return await here.visitor.click(listed.response, label="Export")


def attached(shown: InteractionResult) -> list[dict[str, Any]]:
    """The file components of a card."""
    assert shown.response is not None
    return [part for part in parts_of(shown.response) if part.get("type") == 13]
