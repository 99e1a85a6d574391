"""The weekly digest of the best shared prompts, for guilds that want it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial

from bot.faults import tell
from bot.services.gallery import Entry, GalleryService
from data.database import until_written
from data.gallery import Gallery, Order

logger = logging.getLogger(__name__)

WEEK_SECONDS = 7 * 24 * 3600.0
BEST = 5
_LOOK_SECONDS = 600.0

Post = Callable[[int, tuple[Entry, ...]], Awaitable[None]]
"""Shows a guild its digest. An error means that it has to come again later."""


class Digest:
    """Looks now and then who is due. The time of the last digest is in the database, so restarts lose none.

    A guild that switched digests on gets its first one at once, then one a week; a week without a prompt that
    works has none.
    """

    def __init__(self, gallery: Gallery, service: GalleryService, post: Post) -> None:
        self._gallery = gallery
        self._service = service
        self._post = post

    async def run(self) -> None:
        """Post what is due until cancelled."""
        while True:
            try:
                await self.post_due()
            except Exception:  # the next look may find it mended
                logger.exception("the digests could not be posted")
            await asyncio.sleep(_LOOK_SECONDS)

    async def post_due(self) -> int:
        """Post every digest that is due now and return how many that were."""
        now, posted = time.time(), 0
        for guild_id in await self._gallery.due_digests(now - WEEK_SECONDS):
            best = await self._gallery.page(guild_id, Order.top, limit=BEST, since=now - WEEK_SECONDS)
            entries = await self._service.entries([shared for shared in best if shared.works > shared.fails])
            try:
                if entries:
                    await self._post(guild_id, entries)
                    posted += 1
            except Exception as error:  # one guild's trouble is not the others'
                tell(logger, error, f"the digest of guild {guild_id} could not be posted")
                continue
            await until_written(partial(self._gallery.digested, guild_id, now))
        return posted
