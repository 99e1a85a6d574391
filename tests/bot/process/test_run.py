"""`python -m bot run` on a Discord, as a process of its own."""

from __future__ import annotations

import pytest

from bot.sandbox import World
from tests.bot.face import eventually, text_of
from tests.standin.process import BotProcess
from tests.standin.server import StandIn

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_it_logs_in_and_tells_its_commands(here: World, there: StandIn) -> None:
    names = [name for name, _ in here.env.backend.commands[None]]
    assert {"train", "imagine", "help"} <= {*names}
    assert there.gateway.connected


async def test_it_tried_again_to_log_in_when_discord_was_in_trouble(here: World, bot: BotProcess) -> None:
    assert bot.said().count("trying again in 1 s: 503") == 1
    assert "Traceback" not in bot.said() and "Unclosed" not in bot.said()


async def test_it_answers_a_command(here: World) -> None:
    told = await here.visitor.slash(here.studio, "help")
    await eventually(lambda: told.response)
    assert told.ephemeral and "Teach me" in text_of(told.response)
    (picture,) = told.response.attachments
    assert picture.filename == "selfies.jpg" and picture.size > 1000


@pytest.mark.parametrize("how", ["cut", "ask_to_reconnect"])
async def test_it_comes_back_after_a_cut_and_misses_nothing(here: World, there: StandIn, how: str) -> None:
    before = there.gateway.resumed
    await getattr(there.gateway, how)()
    told = await here.visitor.slash(here.studio, "help")
    await eventually(lambda: told.response)
    assert there.gateway.resumed == before + 1 and there.gateway.identified == 1
