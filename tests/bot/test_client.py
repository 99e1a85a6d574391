"""The client: what it registers, and what a person hears when something fails."""

from __future__ import annotations

import pkgutil
import re
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import aiohttp
import discord
import pytest
from discord import app_commands

import bot.cogs
from bot.app import App
from bot.client import COGS
from bot.config import Config
from bot.permissions import missing, tell_missing
from bot.sandbox import World, world
from bot.services.refusal import Refusal
from data.settings import GuildSettings
from tests.bot.cogs.test_restart import restarted
from tests.bot.face import text_of
from tests.fakes import ScriptedGpu


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[World, None]:
    app = App(Config(_env_file=None, home=tmp_path), gpu=ScriptedGpu())
    await app.start()
    async with world(app) as here:
        yield here
    await app.close()


def test_every_cog_is_set_up() -> None:
    assert {module.name for module in pkgutil.iter_modules(bot.cogs.__path__)} == set(COGS)


async def test_commands_speak_chinese_to_chinese_clients(here: World) -> None:
    commands = {one.name: one for one in await here.env.bot.tree.fetch_commands() if one.type.value == 1}
    assert {"train", "imagine", "models", "queue", "cancel", "status", "help", "settings"} <= set(commands)
    train = commands["train"]
    assert train.name_localizations[discord.Locale.chinese] == "训练"
    assert train.description_localizations[discord.Locale.chinese].startswith("用 3 到 20 张照片")
    options = {option.name: option for option in train.options}
    assert options["class"].name_localizations[discord.Locale.chinese] == "类别"
    assert [name for name in options if name.startswith("photo")] == [f"photo{n}" for n in range(1, 11)]
    assert options["photo7"].name_localizations[discord.Locale.chinese] == "照片7"


async def test_every_command_and_option_has_a_chinese_name(here: World) -> None:
    found = []

    def look(path: str, one: Any) -> None:
        # As Discord spells it: words of its own within a command or group.
        found.append(path)
        assert re.search(r"[\u4e00-\u9fff]", one.name_localizations.get(discord.Locale.chinese, "")), path
        inner = list(getattr(one, "options", ()))
        names = [option.name_localizations[discord.Locale.chinese] for option in inner]
        assert len(set(names)) == len(names), path
        for option in inner:
            look(f"{path} {option.name}", option)

    for command in await here.env.bot.tree.fetch_commands():
        look(command.name, command)
    assert len(found) > 60


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Refusal("not_yours"), "That belongs to somebody else."),
        (app_commands.NoPrivateMessage(), "This works only on a server."),
        (app_commands.MissingPermissions(["ban_members"]), "You are not allowed to use this command here."),
        (app_commands.CommandNotFound("gone", []), "This command has just changed."),
        (aiohttp.ServerDisconnectedError(), "Discord did not take that just now."),
        (TimeoutError(), "Discord did not take that just now."),
        (RuntimeError("a secret in the middle"), "Something went wrong on my side."),
    ],
)
async def test_every_error_becomes_a_private_sentence(
    here: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    sentence: str,
) -> None:
    async def fail(*_: object) -> None:
        raise error

    # discord.py loads extensions anew: the module in use is not the one that was imported here.
    monkeypatch.setattr(sys.modules["bot.cogs.help"], "show", fail)
    answer = await here.visitor.slash(here.studio, "help")

    assert answer.ephemeral
    said = text_of(answer.response)
    assert sentence in said
    assert "secret" not in said
    if isinstance(error, RuntimeError):
        reference = said.rsplit("`", 2)[1]
        assert reference in caplog.text


async def test_an_interaction_that_is_over_is_only_logged(
    here: World, caplog: pytest.LogCaptureFixture
) -> None:
    here.env.inject_error(
        "POST", "/interactions/*/*/callback", status=404, code=10062, message="Unknown interaction"
    )
    answer = await here.visitor.slash(here.studio, "help")

    assert answer.response is None
    assert "an interaction was over" in caplog.text


async def test_the_bot_asks_for_no_privileged_intent(here: World) -> None:
    intents = here.env.bot.intents
    assert not intents.members
    assert not intents.message_content
    assert not intents.presences


async def test_commands_are_told_only_when_they_changed(here: World) -> None:
    def told() -> int:
        return len([one for one in here.env.http_requests if one.method == "PUT" and "commands" in one.path])

    app = here.env.bot.app
    assert told() == 1
    again = await restarted(here, app, ScriptedGpu())
    assert told() == 1
    await again.notes.put("commands", "of an older version")
    once_more = await restarted(here, again, ScriptedGpu())
    assert told() == 2
    await once_more.close()


async def test_what_is_missing_is_told_once(here: World, caplog: pytest.LogCaptureFixture) -> None:
    app = here.env.bot.app
    log = here.guild.create_text_channel("log")
    everybody, me = here.guild.default_role, here.guild.me
    hidden = discord.PermissionOverwrite(attach_files=False)
    closed = here.guild.create_text_channel("closed", overwrites={everybody: hidden, me: hidden})
    await app.settings.update(here.guild.id, modlog_channel_id=log.id, gallery_channel_id=closed.id)
    await app.settings.update(here.guild.id, samples_channel_id=12345)
    guild = app.bot.get_guild(here.guild.id)
    assert guild is not None
    for _ in range(2):
        await tell_missing(app, guild)
    (said,) = [text_of(message) for message in log.history()]
    assert "is gone (12345)" in said and f"may not show pictures in <#{closed.id}>" in said
    assert missing(guild, GuildSettings(samples_channel_id=here.prompts.id)) == []


async def test_a_server_that_was_left_is_forgotten_after_some_days(here: World) -> None:
    app = here.env.bot.app
    await app.settings.update(here.guild.id, max_steps=7)
    await app.settings.update(4242, max_steps=7)
    await app.janitor.note_guilds()
    assert [row["guild_id"] for row in await app.db.rows("SELECT guild_id FROM departures")] == [4242]
    await app.janitor.left(here.guild.id)
    await app.janitor.forget_guilds()
    assert (await app.settings.get(4242)).max_steps == 7, "not yet"

    async with app.db.transaction() as tx:
        await tx.execute("UPDATE departures SET left_at = left_at - ?", (8 * 24 * 3600,))
    await app.janitor.forget_guilds()
    assert (await app.settings.get(4242)).max_steps == 4000
    assert (await app.settings.get(here.guild.id)).max_steps == 7, "the bot is there"
    await app.janitor.note_guilds()
    assert await app.db.rows("SELECT * FROM departures") == [], "it came back"


async def test_an_event_that_the_end_broke_off_is_no_defect(
    here: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def told() -> str:
        caplog.clear()
        try:
            raise ValueError("no database")
        except ValueError:
            await here.env.bot.on_error("on_ready")
        return caplog.text

    assert "no database" in await told()
    monkeypatch.setattr(here.env.bot, "is_closed", lambda: True)
    assert await told() == ""
