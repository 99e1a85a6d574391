"""One real `python -m bot run` and the stand-in Discord that it talks to, for the tests of a file."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from bot.sandbox import World
from tests.bot.face import eventually
from tests.standin.faults import Fault
from tests.standin.process import STARTING, BotProcess, bot_process
from tests.standin.server import StandIn, stand_in


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def there() -> AsyncGenerator[StandIn, None]:
    async with stand_in(scale=0.1) as there:
        yield there
        assert there.rest.breaches == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(there: StandIn, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[BotProcess, None]:
    there.rest.faults.add(Fault("GET", "/users/@me", 503))  # it is no good day for Discord
    async with bot_process(there, tmp_path_factory.mktemp("process") / "home") as bot:
        await eventually(lambda: "connected as Likeness" in bot.said(), STARTING)
        yield bot


@pytest.fixture
def here(bot: BotProcess, there: StandIn) -> World:
    return there.world
