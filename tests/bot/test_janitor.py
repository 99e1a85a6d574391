"""What is tidied up in the background: no step of it, and nobody's turn in one, waits for another."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bot.app import App
from bot.config import Config
from bot.messenger import Place
from bot.sandbox import World, world
from data.personal import Personal
from tests.bot.face import eventually
from tests.fakes import ScriptedGpu


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[World, None]:
    app = App(Config(_env_file=None, home=tmp_path), gpu=ScriptedGpu())
    await app.start()
    async with world(app) as here:
        yield here
    await app.close()


async def breaks(*_: object) -> None:
    raise RuntimeError("a defect")


async def test_a_step_that_fails_holds_up_no_later_one(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    app = here.env.bot.app
    await Personal(app.db).begin_erasing(here.visitor.id)
    for step in ("remove_messages", "forget_guilds"):
        monkeypatch.setattr(app.janitor, step, breaks)
    app.janitor.wake()

    async def done() -> bool:
        return not await app.db.rows("SELECT * FROM erasures")

    assert await eventually(done)


async def test_a_server_that_cannot_be_erased_yet_holds_up_no_other(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = here.env.bot.app
    async with app.db.transaction() as tx:
        for guild in (4242, 4343):
            await tx.execute("INSERT INTO departures VALUES (?, ?)", (guild, time.time() - 8 * 24 * 3600))
    erase = app.privacy.erase_guild

    async def erase_one(guild_id: int) -> bool:
        if guild_id == 4242:
            await breaks()
        return bool(await erase(guild_id))

    monkeypatch.setattr(app.privacy, "erase_guild", erase_one)
    await app.janitor.forget_guilds()
    assert [row["guild_id"] for row in await app.db.rows("SELECT guild_id FROM departures")] == [4242]


async def test_a_message_that_cannot_be_removed_yet_holds_up_no_other(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = here.env.bot.app
    remove = app.messenger.remove

    async def remove_one(place: Place) -> None:
        await (breaks() if place.message_id == 1 else remove(place))

    monkeypatch.setattr(app.messenger, "remove", remove_one)
    for message in (1, 2):
        await app.removals.add(here.studio.id, message)
    await app.janitor.remove_messages()
    assert await app.removals.all() == [(here.studio.id, 1)]
