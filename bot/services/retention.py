"""Drawn pictures go when their server's time or room for them is over; shared ones and samples stay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from data.files import FileStore
from data.pictures import Gone, Pictures
from data.settings import Settings

_DAY = 24 * 3600.0
_PIECE = 200
"""Pictures that are removed in one go; between two of them, others have the database."""


class Retention:
    """What servers set (`picture_days`, `most_pictures`), carried out. Everything may be done twice."""

    def __init__(self, files: FileStore, pictures: Pictures, settings: Settings) -> None:
        self._files = files
        self._pictures = pictures
        self._settings = settings

    async def expire(self) -> None:
        """Remove every picture whose time is over, or for which there is no room."""
        # A crash may have left files whose rows say already that they are gone.
        await self._discard(await self._pictures.lately_expired(time.time() - 2 * _DAY))
        days = await self._settings.of_all("picture_days")
        limits = {guild: time.time() - count * _DAY for guild, count in days.items() if count is not None}
        await self._expire_old(limits)
        for guild, most in (await self._settings.of_all("most_pictures")).items():
            if most is not None:
                for user in await self._pictures.artists(guild):
                    await self._remove(await self._pictures.beyond(most, user, guild))

    async def make_room(self, user_id: int, guild_id: int) -> None:
        """Remove those of a person's pictures that are more than their server keeps."""
        most = (await self._settings.get(guild_id)).most_pictures
        if most is not None:
            await self._remove(await self._pictures.beyond(most, user_id, guild_id))

    async def _expire_old(self, limits: Mapping[int, float]) -> None:
        """`limits` are the times of creation, by guild, before which pictures go."""
        last = (0.0, 0)
        while piece := await self._pictures.before(max(limits.values(), default=0.0), last, _PIECE):
            last = piece[-1].created_at, piece[-1].id
            over = [one.id for one in piece if one.created_at < limits.get(one.guild_id, 0.0)]
            await self._remove(over)

    async def _remove(self, pictures: Sequence[int]) -> None:
        for start in range(0, len(pictures), _PIECE):
            await self._discard(await self._pictures.expire(pictures[start : start + _PIECE]))

    async def _discard(self, gone: Sequence[Gone]) -> None:
        for one in gone:
            await asyncio.to_thread(self._files.discard, one.path)
        for job_id in {one.job_id for one in gone}:
            if not await self._pictures.of_job(job_id):
                await asyncio.to_thread(self._files.discard, self._files.pictures(job_id))
