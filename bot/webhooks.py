"""How we answer interactions when connections are cut: nothing is answered twice, nothing is left waiting."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aiohttp
import discord
from discord.http import Route
from discord.webhook.async_ import AsyncWebhookAdapter, async_context

from bot.faults import CUT, said

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.3
"""Before a call whose connection was cut is made once more; Discord waits 3 seconds for the first answer."""

_ACKNOWLEDGED = 40060
"""Discord's code for an interaction that it has an answer to."""


class PatientAdapter(AsyncWebhookAdapter):
    """discord.py's way to Discord's webhooks, which gives up when a connection is cut.

    An acknowledgement that Discord took but whose answer was lost is refused when it is repeated: it counts
    as taken. A second message to a webhook would be another one, so that alone is never repeated.
    """

    async def request(self, route: Route, session: aiohttp.ClientSession, **how: Any) -> Any:
        acknowledges = route.path.endswith("/callback")
        try:
            try:
                return await super().request(route, session, **how)
            except CUT as error:
                if route.method == "POST" and not acknowledges:
                    raise
                log.info("an answer to an interaction was cut off, once more: %s", said(error))
            await asyncio.sleep(RETRY_SECONDS)
            for file in how.get("files") or ():
                file.reset()
            return await super().request(route, session, **how)
        except discord.HTTPException as error:
            if not acknowledges or error.code != _ACKNOWLEDGED:
                raise
            log.info("an answer to an interaction had arrived already")
            return {"interaction": {"id": str(route.webhook_id)}}


def install() -> None:
    """Have this task, and those that it starts, answer interactions that way."""
    if type(async_context.get()) is AsyncWebhookAdapter:  # anybody else's stands for another Discord
        async_context.set(PatientAdapter())  # type: ignore[no-untyped-call]
