"""Days on which Discord can't be reached when the bot starts."""

from __future__ import annotations

from pathlib import Path

import discord
import pytest

from bot.app import App
from bot.config import Config
from tests.bot.face import eventually
from tests.fakes import ScriptedGpu
from tests.standin.faults import Fault
from tests.standin.inside import connected
from tests.standin.process import bot_process
from tests.standin.server import stand_in


@pytest.mark.parametrize("status", [503, None])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/users/@me"), ("PUT", "/applications/*/commands"), ("GET", "/gateway/bot")]
)
async def test_wherever_a_log_in_breaks_off_it_begins_anew(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
    status: int | None,
) -> None:
    monkeypatch.setattr("bot.client.FIRST_PAUSE", 0.01)
    app = App(Config(_env_file=None, home=tmp_path), gpu=ScriptedGpu())
    async with stand_in() as there:
        # aiohttp itself repeats such a request once where the connection was cut.
        trouble = there.rest.faults.add(Fault(method, path, status, times=3))
        async with connected(app, there):
            assert trouble.met == 3 and "trying again" in caplog.text
            told = await there.world.visitor.slash(there.world.studio, "help")
            await eventually(lambda: told.response)


async def test_a_session_that_discord_forgot_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord.Client, "before_identify_hook", _at_once)
    app = App(Config(_env_file=None, home=tmp_path), gpu=ScriptedGpu())
    async with stand_in() as there, connected(app, there):
        await there.gateway.invalidate()
        await eventually(lambda: there.gateway.identified == 2)
        told = await there.world.visitor.slash(there.world.studio, "help")
        await eventually(lambda: told.response)


async def _at_once(_client: discord.Client, _shard_id: int | None, *, initial: bool = False) -> None:
    """Instead of the seconds that discord.py waits between two sessions."""


async def test_a_token_that_discord_refuses_ends_the_bot_with_a_sentence(tmp_path: Path) -> None:
    async with stand_in() as there, bot_process(there, tmp_path / "home", token="no.such.token") as bot:
        assert await bot.process.wait() == 1
        assert "Discord did not accept DISCORD_TOKEN" in bot.said()
        assert "no.such.token" not in bot.said()


async def test_sync_says_when_discord_is_in_trouble(tmp_path: Path) -> None:
    async with stand_in() as there:
        there.rest.faults.add(Fault("GET", "/users/@me", 503))
        async with bot_process(there, tmp_path / "home", command="sync") as bot:
            assert await bot.process.wait() == 1
    assert "Discord is in trouble" in bot.said() and "Traceback" not in bot.said()
