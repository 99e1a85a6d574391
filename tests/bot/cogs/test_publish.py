"""`/publish` and Export: the real trainer process, the mini model, and a Hub on loopback."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import discord
import pytest
from pydantic import SecretStr
from simcord.actors import MemberActor
from simcord.results import InteractionResult

from bot.app import App
from bot.config import Config
from bot.sandbox import World
from data.handovers import Handover
from data.jobs import JobKind
from data.models import Method, Model
from inference.bases import MINI
from tests.bot.face import eventually, text_of
from tests.fakes import ScriptedGpu, paint
from tests.hub import READ, WRITE, HubServer, running_hub
from tests.models import write_lora

SECONDS = 90.0
"""What a process may take on a busy machine."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    with running_hub() as hub:
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
    ("token", "repository", "sentence"),
    [
        (READ, "abraza", "type **Write**"),
        (WRITE, "bob/abraza", "belongs to somebody else"),
        (WRITE, "a b", "has letters, digits"),
    ],
)
async def test_what_will_not_do_is_a_sentence_before_the_first_byte(
    here: World, app: App, hub: HubServer, model: Model, token: str, repository: str, sentence: str
) -> None:
    answer = await publish(here, token, repository)
    await saying(answer, sentence)
    await settled(app)
    assert set(hub.calls) == {"GET /api/whoami-v2"} and not hub.repos
    assert await app.vault.get("user", here.visitor.id, "publish") is None
    form = await here.visitor.click(answer.response, label="Try again")
    assert form.modal is not None and repository in str(form.modal)
