"""Keeps the cards of jobs true: the dispatcher tells what happens to a job, this shows it on Discord.

A card is an ordinary message of the bot, found by the ids in the database, so it can be edited after
a restart and long after the interaction that asked for it is over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import discord
from discord import ui

from bot.channels import is_final, samples_channel
from bot.services.access import paused_at
from bot.services.shots import Shot, shots_of
from bot.ui.draw_card import draw_card, result_card
from bot.ui.gallery_card import vote_row
from bot.ui.pictures import files_of, uploads_of
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


async def card_of(app: App, job: Job, shots: Sequence[Shot] = ()) -> ui.LayoutView:
    """The card of a job that has not ended, for a message that carries `shots`."""
    build = train_card if _trains(job) else draw_card
    place, paused = await app.jobs.place(job.id), await paused_at(app.settings, job)
    return build(job, place=place, paused=paused, shots=shots)


async def post_card(app: App, job: Job, channel_id: int) -> discord.Message:
    """Post a job's card as a message of its own and remember where it is."""
    channel = app.bot.get_partial_messageable(channel_id, guild_id=job.guild_id)
    message = await channel.send(view=await card_of(app, job))
    await app.jobs.set_message(job.id, channel_id, message.id)
    app.dispatcher.job_changed(job.id)  # it may have begun before there was a card to show that on
    return message


@dataclass
class _Live:
    """What the card of a job that has not ended shows."""

    state: JobState
    phase: str | None
    when: float
    """Time of the last edit."""
    rendered: object = None
    attached: dict[Shot, discord.Attachment] = field(default_factory=dict)


class Cards:
    """The dispatcher's listener. An end that Discord did not take is raised, and comes again later."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._live: dict[int, _Live] = {}
        self._gone: set[int] = set()
        """Messages that are no longer there to edit."""

    async def job_changed(self, job: Job) -> None:
        """Show progress, at most every few seconds; a new state, phase or place at once."""
        now = asyncio.get_running_loop().time()
        live = self._live.get(job.id) or _Live(JobState.queued, None, 0.0)
        same = job.state is JobState.running and (live.state, live.phase) == (job.state, job.phase)
        if job.message_id is None or (same and now - live.when < EDIT_SECONDS):
            return
        live.state, live.phase, live.when = job.state, job.phase, now
        self._live[job.id] = live
        await self._app.bot.up.wait()
        try:
            await self._show(job, live)
        except (discord.HTTPException, OSError) as error:
            # The next change shows it; only a job's end has to arrive.
            log.warning("the card of job %s could not be edited: %s", job.id, error)

    async def _show(self, job: Job, live: _Live) -> None:
        """Edit a live card, if it would change; of its pictures only those go up that did."""
        shots = await asyncio.to_thread(shots_of, self._app.files, job)
        new = await asyncio.to_thread(uploads_of, [shot for shot in shots if shot not in live.attached])
        here: Mapping[Shot, discord.File | discord.Attachment] = {**live.attached, **new}
        files = {shot: here[shot] for shot in shots if shot in here}
        view = await card_of(self._app, job, [*files])
        rendered = (view.to_components(), [*files])  # type: ignore[no-untyped-call]
        if live.rendered == rendered:
            return
        message = await self._edit(job, view, [*files.values()])
        if message is not None:
            live.rendered = rendered
            attached = {attachment.filename: attachment for attachment in message.attachments}
            live.attached = {shot: attached[shot.name] for shot in files if shot.name in attached}

    async def finished(self, job: Job) -> None:
        """Show the end of a job; the pictures of a drawing follow in `pictures_ready`."""
        await self._app.bot.up.wait()
        self._live.pop(job.id, None)
        if not _trains(job):
            if job.state is not JobState.done:
                await self._show_end(job, draw_card(job))
            return
        channel = await self._samples_channel(job) if job.state is JobState.done else None
        shots = await asyncio.to_thread(shots_of, self._app.files, job)
        files = await asyncio.to_thread(uploads_of, shots)
        view = train_card(job, samples_channel=channel.id if channel else None, shots=[*files])
        await self._show_end(job, view, [*files.values()])

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

    async def _show_end(self, job: Job, view: ui.LayoutView, files: Sequence[discord.File] = ()) -> None:
        """Edit the card, or post a new one where the card was deleted."""
        placed = await self._placed(job)
        if placed.message_id is not None and await self._edit(placed, view, files):
            return
        if await self._app.jobs.get(job.id) is None:
            return  # erased meanwhile, and its card with it
        for file in files:
            file.reset()
        channel = self._app.bot.get_partial_messageable(job.channel_id, guild_id=job.guild_id)
        try:
            message = await channel.send(view=view, files=files)
        except discord.HTTPException as error:
            if not is_final(error):
                raise
            log.warning("the end of job %s has nowhere to go: %s", job.id, error)
        else:
            await self._app.jobs.set_message(job.id, message.channel.id, message.id)

    async def _edit(
        self, job: Job, view: ui.LayoutView, files: Sequence[discord.File | discord.Attachment]
    ) -> discord.Message | None:
        """Edit the card in place. None when it is gone, or can't be edited, as in an archived thread."""
        if job.message_id is None or job.message_id in self._gone:
            return None
        channel = self._app.bot.get_partial_messageable(job.channel_id, guild_id=job.guild_id)
        message = channel.get_partial_message(job.message_id)
        try:
            return await message.edit(view=view, attachments=files)
        except (discord.NotFound, discord.Forbidden) as error:
            log.info("the card of job %s is gone: %s", job.id, error)
            self._gone.add(job.message_id)
            return None
        except discord.HTTPException as error:
            if not is_final(error):
                raise
            log.warning("the card of job %s can't be edited: %s", job.id, error)
            return None

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
