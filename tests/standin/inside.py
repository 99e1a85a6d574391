"""A bot of the test's own process, connected to a stand-in Discord: for what a test has to script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest import mock

import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.app import App
from tests.standin.server import TOKEN, StandIn


@asynccontextmanager
async def connected(app: App, there: StandIn) -> AsyncIterator[None]:
    """An `app` that is started, with its bot logged in and ready; closed in the end.

    After a test that failed, too: a database left open would keep the whole run from ending.
    """
    await app.start()
    try:
        async with _logged_in(app, there):
            yield
    finally:
        await app.close()


@asynccontextmanager
async def _logged_in(app: App, there: StandIn) -> AsyncIterator[None]:
    # It waits that long for further servers, which are all there at once.
    app.bot._connection.guild_ready_timeout = 0.05
    with (
        mock.patch.object(Route, "BASE", there.api),
        mock.patch.object(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(there.gateway.url)),
    ):
        async with app.bot:
            serving = asyncio.create_task(app.bot.start(TOKEN))
            up = asyncio.create_task(app.bot.up.wait())
            await asyncio.wait([serving, up], return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                up.cancel()
                await serving
            try:
                yield
            finally:
                await app.bot.close()
                await serving
