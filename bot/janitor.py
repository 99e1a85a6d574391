"""What has to be tidied up on Discord, about servers and people, in the background, over restarts."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from bot.faults import tell
from bot.messenger import Place
from data.database import until_written

if TYPE_CHECKING:
    from bot.app import App

log = logging.getLogger(__name__)

KEEP_DAYS = 7
"""How long the data of a server waits for the bot to come back."""

_ROUND_SECONDS = 600.0


class Janitor:
    """Removes messages that the database wants gone, forgets servers that the bot left some days ago, and
    tries again to erase what could not be erased.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is something to remove now."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        await self._app.bot.up.wait()
        while True:
            self._wake.clear()
            for step in (self.remove_messages, self.forget_guilds, self._app.privacy.resume):
                try:
                    await step()
                except Exception:  # the next round tries again
                    log.exception("could not tidy up")
            try:
                async with asyncio.timeout(_ROUND_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def take_down(self, place: Place) -> None:
        """Have one more message removed."""
        await until_written(lambda: self._app.removals.add(*place))
        self.wake()

    async def remove_messages(self) -> None:
        """Remove messages from Discord; one that can't be removed now is tried again in the next round."""
        for place in await self._app.removals.all():
            try:
                await self._app.messenger.remove(Place(*place))
                await self._app.removals.done(*place)
            except Exception as error:  # of one; the others are not to wait for it
                tell(log, error, f"message {place[1]} could not be removed yet")

    async def note_guilds(self) -> None:
        """After connecting: which servers with data the bot is no longer in, and which it is in again."""
        present = {guild.id for guild in self._app.bot.guilds}
        known = await self._app.db.rows("SELECT guild_id FROM jobs UNION SELECT guild_id FROM settings")
        for (guild_id,) in known:
            if guild_id and guild_id not in present:
                await self.left(guild_id)
        for guild_id in present:
            await self.came_back(guild_id)

    async def left(self, guild_id: int) -> None:
        """The bot is no longer in a server: its time runs."""
        async with self._app.db.transaction() as tx:
            await tx.execute(
                "INSERT OR IGNORE INTO departures (guild_id, left_at) VALUES (?, ?)", (guild_id, time.time())
            )
        await self._app.notes.put(f"missing:{guild_id}", None)

    async def came_back(self, guild_id: int) -> None:
        """Nothing more of a server is erased, also where that was begun already."""
        async with self._app.db.transaction() as tx:
            await tx.execute("DELETE FROM departures WHERE guild_id = ?", (guild_id,))

    async def forget_guilds(self) -> None:
        """Erase what belongs to servers whose time is over; what breaks off goes on in the next round."""
        over = time.time() - KEEP_DAYS * 24 * 3600.0
        rows = await self._app.db.rows("SELECT guild_id FROM departures WHERE left_at < ?", (over,))
        for (guild_id,) in rows:
            if self._app.bot.get_guild(guild_id) is not None:
                continue
            try:
                if await self._app.privacy.erase_guild(guild_id):
                    log.info(
                        "all data of server %d is gone: the bot left it %d days ago", guild_id, KEEP_DAYS
                    )
            except Exception:  # of one; the others are not to wait for it
                log.exception("server %d could not be erased yet", guild_id)
