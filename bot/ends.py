"""Shows how jobs ended: on their card, or on a new one where that is gone, and samples in their channel."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import discord

from bot.channels import samples_channel
from bot.faults import nowhere_to_go
from bot.job_card import is_wanted, subject_of
from bot.messenger import Render, Sheet
from bot.services.shots import shots_of
from bot.showcase import entry_of
from bot.ui.draw_card import draw_card, result_card
from bot.ui.gallery_card import vote_row
from bot.ui.pictures import files_of, uploads_of
from bot.ui.train_card import samples_card, train_card
from data.jobs import Job, JobKind, JobState
from data.pictures import Picture

if TYPE_CHECKING:
    from bot.app import App


class Ends:
    """Half of the dispatcher's listener. What Discord can't take now is raised, and comes again later."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def finished(self, job: Job) -> None:
        """Show the end of a job; the pictures of a drawing follow in `pictures_ready`."""
        await self._app.bot.up.wait()
        if _trains(job):
            channel = await self._samples_channel(job) if job.state is JobState.done else None
            await self._show_end(job, partial(self._training_end, job, channel.id if channel else None))
        elif job.state is not JobState.done:

            async def ended() -> Sheet:
                return Sheet(draw_card(job))

            await self._show_end(job, ended)

    async def pictures_ready(self, job: Job, pictures: list[Picture]) -> None:
        """Show the pictures: samples in the samples channel, drawings on their card."""
        await self._app.bot.up.wait()
        if not _trains(job):
            await self._show_end(job, partial(self._result, job, pictures))
            return
        channel = await self._samples_channel(job)
        shared = await self._app.gallery.share_samples(job, pictures)

        async def samples() -> Sheet:
            files = await asyncio.to_thread(files_of, [picture.path for picture in pictures])
            return Sheet(samples_card(job, files, vote_row(job.locale, shared, pictures[0].idx)), files)

        with nowhere_to_go(f"the samples of job {job.id}"):
            channel_id = channel.id if channel else job.channel_id
            await self._app.messenger.show(entry_of(self._app, shared, channel_id), samples)

    async def _training_end(self, job: Job, samples_channel: int | None) -> Sheet:
        shots = await asyncio.to_thread(shots_of, self._app.files, job)
        files = await asyncio.to_thread(uploads_of, shots)
        return Sheet(train_card(job, samples_channel=samples_channel, shots=[*files]), [*files.values()])

    async def _result(self, job: Job, pictures: list[Picture]) -> Sheet:
        files = await asyncio.to_thread(files_of, [picture.path for picture in pictures])
        model = await self._app.models.get(job.model_id) if job.model_id else None
        return Sheet(result_card(job, pictures, files, model), files)

    async def _show_end(self, job: Job, render: Render) -> None:
        """Edit the card, or post a new one where the card was deleted."""

        async def wanted() -> Sheet | None:
            return await render() if await is_wanted(self._app, job.id) else None

        with nowhere_to_go(f"the end of job {job.id}"):
            await self._app.messenger.show(subject_of(self._app, job, job.channel_id), wanted)

    async def _samples_channel(self, job: Job) -> discord.TextChannel | None:
        guild = self._app.bot.get_guild(job.guild_id)
        if guild is None:
            return None
        return await samples_channel(guild, await self._app.settings.get(job.guild_id))


def _trains(job: Job) -> bool:
    return job.kind is JobKind.train
