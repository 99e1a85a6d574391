"""Keeps the cards of jobs true: the dispatcher tells what happens to a job, this shows it on Discord.

A card is an ordinary message of the bot, found by the ids in the database, so it can be edited after
a restart and long after the interaction that asked for it is over.
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import discord
from discord import ui

from bot.channels import is_final, samples_channel
from bot.ui.draw_card import draw_card, result_card
from bot.ui.gallery_card import vote_row
from bot.ui.pictures import files_of
from bot.ui.train_card import samples_card, train_card
from data.jobs import Job, JobKind, JobState
from data.pictures import Picture

if TYPE_CHECKING:
    from bot.app import App

log = logging.getLogger(__name__)

EDIT_SECONDS = 5.0
"""Least time between two edits of a card while only its progress changes."""

POST_SECONDS = 5.0
"""How long the command that made a job may take to post its card, before the job's end posts one."""


async def card_of(app: App, job: Job, previews: Sequence[discord.File] = ()) -> ui.LayoutView:
    """The card of a job that has not ended; a drawing may show how far it has come."""
    place = await app.jobs.place(job.id)
    return train_card(job, place=place) if _trains(job) else draw_card(job, place=place, previews=previews)


async def post_card(app: App, job: Job, channel_id: int) -> discord.Message:
    """Post a job's card as a message of its own and remember where it is."""
    channel = app.bot.get_partial_messageable(channel_id, guild_id=job.guild_id)
    message = await channel.send(view=await card_of(app, job))
    await app.jobs.set_message(job.id, channel_id, message.id)
    current = await app.jobs.get(job.id)
    if current is not None and current.state is JobState.running and current.state is not job.state:
        await app.cards.job_changed(current)  # it began before there was a card to show that on
    return message


class Cards:
    """The dispatcher's listener. An end that Discord did not take is raised, and comes again later."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._shown: dict[int, tuple[JobState, str | None, float]] = {}
        """State, phase and time of each live card's last edit."""
        self._rendered: dict[int, object] = {}
        self._gone: set[int] = set()
        """Messages that are no longer there to edit."""

    async def job_changed(self, job: Job) -> None:
        """Show progress, at most every few seconds; a new state, phase or place at once."""
        now = asyncio.get_running_loop().time()
        state, phase, when = self._shown.get(job.id, (None, None, 0.0))
        same = job.state is JobState.running and (state, phase) == (job.state, job.phase)
        if job.message_id is None or (same and now - when < EDIT_SECONDS):
            return
        self._shown[job.id] = (job.state, job.phase, now)
        await self._app.bot.up.wait()
        files = await self._previews(job)
        view = await card_of(self._app, job, files or ())
        rendered = view.to_components()  # type: ignore[no-untyped-call]
        if self._rendered.get(job.id) == rendered:
            return
        try:
            if await self._edit(job, view, files):
                self._rendered[job.id] = rendered
        except (discord.HTTPException, OSError) as error:
            # The next change shows it; only a job's end has to arrive.
            log.warning("the card of job %s could not be edited: %s", job.id, error)

    async def finished(self, job: Job) -> None:
        """Show the end of a job; the pictures of a drawing follow in `pictures_ready`."""
        await self._app.bot.up.wait()
        self._shown.pop(job.id, None)
        self._rendered.pop(job.id, None)
        if not _trains(job):
            if job.state is not JobState.done:
                await self._show_end(job, draw_card(job), [])
            return
        channel = await self._samples_channel(job) if job.state is JobState.done else None
        await self._show_end(job, train_card(job, samples_channel=channel.id if channel else None))

    async def pictures_ready(self, job: Job, pictures: list[Picture]) -> None:
        """Show the pictures: samples in the samples channel, drawings on their card."""
        await self._app.bot.up.wait()
        files = await asyncio.to_thread(files_of, [picture.path for picture in pictures])
        if not _trains(job):
            model = await self._app.models.get(job.model_id) if job.model_id else None
            await self._show_end(job, result_card(job, pictures, files, model), files)
            return
        channel = await self._samples_channel(job)
        target = channel or self._app.bot.get_partial_messageable(job.channel_id, guild_id=job.guild_id)
        try:
            shared = await self._app.gallery.share_samples(job, pictures)
            view = samples_card(job, files, vote_row(job.locale, shared, pictures[0].idx))
            message = await target.send(view=view, files=files)
            await self._app.gallery.posted(shared.id, message.channel.id, message.id)
        except discord.HTTPException as error:
            if not is_final(error):
                raise
            log.warning("the samples of job %s have nowhere to go: %s", job.id, error)

    async def _show_end(self, job: Job, view: ui.LayoutView, files: list[discord.File] | None = None) -> None:
        """Edit the card, or post a new one where the card was deleted."""
        placed = await self._placed(job)
        if placed.message_id is not None and await self._edit(placed, view, files):
            return
        if await self._app.jobs.get(job.id) is None:
            return  # erased meanwhile, and its card with it
        for file in files or []:
            file.reset()
        channel = self._app.bot.get_partial_messageable(job.channel_id, guild_id=job.guild_id)
        try:
            message = await channel.send(view=view, files=files or [])
        except discord.HTTPException as error:
            if not is_final(error):
                raise
            log.warning("the end of job %s has nowhere to go: %s", job.id, error)
        else:
            await self._app.jobs.set_message(job.id, message.channel.id, message.id)

    async def _edit(self, job: Job, view: ui.LayoutView, files: list[discord.File] | None = None) -> bool:
        """Edit the card in place. False when it is gone, or not ours to edit any more."""
        if job.message_id is None or job.message_id in self._gone:
            return False
        channel = self._app.bot.get_partial_messageable(job.channel_id, guild_id=job.guild_id)
        message = channel.get_partial_message(job.message_id)
        try:
            if files is None:
                await message.edit(view=view)
            else:
                await message.edit(view=view, attachments=files)
        except (discord.NotFound, discord.Forbidden) as error:
            log.info("the card of job %s is gone: %s", job.id, error)
            self._gone.add(job.message_id)
            return False
        return True

    async def _previews(self, job: Job) -> list[discord.File] | None:
        """What a running drawing looks like now, if it shows that; None leaves the message's files alone."""
        if _trains(job) or job.state is not JobState.running:
            return None
        path = self._app.files.pictures(job.id) / "preview.jpg"
        try:
            content = await asyncio.to_thread(path.read_bytes)
        except OSError:
            return None
        return [discord.File(io.BytesIO(content), filename=path.name)]

    async def _placed(self, job: Job) -> Job:
        """The job with its card's place, which the command that made it may be about to write."""
        deadline = asyncio.get_running_loop().time() + POST_SECONDS
        while True:
            current = await self._app.jobs.get(job.id) or job
            if current.message_id is not None or asyncio.get_running_loop().time() > deadline:
                return current
            await asyncio.sleep(0.2)

    async def _samples_channel(self, job: Job) -> discord.TextChannel | None:
        guild = self._app.bot.get_guild(job.guild_id)
        if guild is None:
            return None
        return await samples_channel(guild, await self._app.settings.get(job.guild_id))


def _trains(job: Job) -> bool:
    return job.kind is JobKind.train
