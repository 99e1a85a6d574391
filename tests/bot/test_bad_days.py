"""Days on which Discord answers with errors: a sentence or another try, and no job is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path

import pytest

from bot.app import App
from bot.config import Config
from bot.sandbox import World, world
from bot.services.announcer import Announcer
from tests.bot.face import card_saying, cards, eventually, prepare, text_of, train
from tests.fakes import ScriptedGpu

EDIT = ("PATCH", "/channels/*/messages/*")
POST = ("POST", "/channels/*/messages")
ANSWER = ("PATCH", "/webhooks/*/*/messages/*")


@pytest.fixture
def gpu() -> ScriptedGpu:
    return ScriptedGpu()


@pytest.fixture
async def here(
    tmp_path: Path, gpu: ScriptedGpu, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[World, None]:
    monkeypatch.setattr(Announcer.__init__, "__defaults__", (0.1,))
    monkeypatch.setattr("bot.cards.POST_AGAIN_SECONDS", 0.01)
    app = App(Config(_env_file=None, home=tmp_path), gpu=gpu)
    await app.start()
    async with world(app) as here:
        yield here
    await app.close()


async def shown(here: World, prompt: str) -> bool:
    return any(card.attachments for card in cards(here, prompt))


@pytest.mark.parametrize("status", [429, 500, 403, 404])
async def test_the_pictures_arrive_although_the_card_cannot_be_edited(
    here: World, gpu: ScriptedGpu, status: int
) -> None:
    gpu.gate.clear()
    await here.visitor.slash(here.studio, "imagine", prompt="a cat")
    await card_saying(here, "Step 25 of 50")
    here.env.inject_error(*EDIT, status=status, times=2)
    gpu.gate.set()
    assert await eventually(lambda: shown(here, "a cat"))


async def test_what_ends_in_a_thread_that_was_archived_meanwhile_is_told_anew(
    here: World, gpu: ScriptedGpu
) -> None:
    gpu.gate.clear()
    await here.visitor.slash(here.studio, "imagine", prompt="a cat")
    before = await card_saying(here, "Step 25 of 50")
    # A message there can't be edited, while a new one opens the thread again.
    here.env.inject_error(*EDIT, status=400, code=50083, times=None)
    gpu.gate.set()
    await eventually(lambda: shown(here, "a cat"))
    assert cards(here, "a cat")[-1].id != before.id


@pytest.mark.parametrize("status", [429, 500])
async def test_a_job_whose_card_could_not_be_posted_is_told_of_and_done(
    here: World, gpu: ScriptedGpu, status: int
) -> None:
    here.env.inject_error(*POST, status=status)
    told = await here.visitor.slash(here.studio, "imagine", prompt="a cat")
    assert "in the queue" in text_of(told.response)
    assert await eventually(lambda: shown(here, "a cat"))


async def test_a_drawing_that_may_not_be_shown_is_called_off_and_says_so(
    here: World, gpu: ScriptedGpu
) -> None:
    gpu.gate.clear()
    here.env.inject_error(*POST, status=403)
    told = await here.visitor.slash(here.studio, "imagine", prompt="a cat")
    assert "not allowed to show cards" in text_of(told.response)
    (job,) = await here.env.bot.app.jobs.of_user(here.visitor.id)
    assert job.state == "cancelled"


@pytest.mark.parametrize("status", [403, 429, 503])
async def test_a_training_whose_card_could_not_be_posted_is_said_to_be_in_the_queue(
    here: World, gpu: ScriptedGpu, status: int
) -> None:
    gpu.gate.clear()
    sheet = await prepare(here)
    here.env.inject_error(*POST, status=status)
    started = await here.visitor.click(sheet.response, label="Start")
    assert "in the queue" in text_of(started.response or sheet.response)
    gpu.gate.set()
    await card_saying(here, "Meet abraza")


async def test_a_training_outlives_an_expired_token_and_a_deleted_card(here: World, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    sheet = await prepare(here)
    here.env.inject_error(*ANSWER, status=401, code=50027, message="Invalid Webhook Token", times=None)
    await here.visitor.click(sheet.response, label="Start")
    card = await card_saying(here, "loss 0.250")
    await here.visitor.delete(card)
    gpu.gate.set()
    assert (await card_saying(here, "I know abraza")).id != card.id
    await card_saying(here, "Meet abraza")


async def test_words_that_mean_to_harm_come_back_harmless(here: World) -> None:
    app: App = here.env.bot.app
    await train(here)
    await card_saying(here, "Meet abraza")
    listed = await here.visitor.slash(here.studio, "models")
    await here.visitor.click(listed.response, label="Open")
    nasty = f"@everyone **\u202ex** \U0001f469 <@{here.visitor.id}>"
    form = await here.visitor.click(listed.response, label="Rename")
    await here.visitor.submit_modal(form, {"title": nasty})
    said = text_of(listed.response)
    assert (
        "\u202e" not in said
        and "@everyone" not in said
        and f"<@{here.visitor.id}>" not in said
        and r"\*\*" in said
    )
    (model,) = await app.models.of_user(here.visitor.id, here.guild.id)
    assert model.title == nasty

    asked = await here.visitor.slash(here.studio, "help", command="@everyone <@&2> `x`" + "y" * 3000)
    assert "@everyone" not in text_of(asked.response) and len(text_of(asked.response)) < 300


async def test_a_database_that_another_program_holds_is_no_defect_and_the_next_try_works(here: World) -> None:
    app: App = here.env.bot.app
    await app.db.connection.execute("PRAGMA busy_timeout = 10")
    with closing(sqlite3.connect(app.files.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused = await here.visitor.slash(here.studio, "imagine", prompt="a cat")
        assert "try again in a moment" in text_of(refused.response)
    await here.visitor.slash(here.studio, "imagine", prompt="a cat")
    assert await eventually(lambda: shown(here, "a cat"))
