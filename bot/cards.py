"""Keeps the cards of jobs true: the dispatcher tells what happens to a job, this shows it on Discord.

A card is an ordinary message of the bot, found by the ids in the database, so it can be edited after
a restart and long after the interaction that asked for it is over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import discord
from discord import ui

from bot.channels import samples_channel
from bot.faults import FAULTS, Fault, fault_of, nowhere_to_go
from bot.messenger import Place, Render, Sheet, Shown, Subject
from bot.pace import Rank
from bot.services.access import paused_at
from bot.services.shots import Shot, shots_of
from bot.showcase import entry_of
from bot.ui.draw_card import draw_card, result_card
from bot.ui.gallery_card import vote_row
from bot.ui.pictures import files_of, uploads_of
from bot.ui.train_card import samples_card, train_card
from data.jobs import Job, JobKind, JobState
from data.pictures import Picture
from data.recent import Recent

if TYPE_CHECKING:
    from bot.app import App

log = logging.getLogger(__name__)

EDIT_SECONDS = 5.0
"""Least time between two edits of a card while only its progress changes."""

POST_AGAIN_SECONDS = 15.0
"""Before a first card is posted once more that Discord did not take."""

_CROWD = 10
"""Waiting cards in one channel from which on none says that its place changed."""

_REMEMBERED = 10_000


async def card_of(app: App, job: Job, shots: Sequence[Shot] = ()) -> ui.LayoutView:
    """The card of a job that has not ended, for a message that carries `shots`."""
    build = train_card if _trains(job) else draw_card
    place, paused = await app.jobs.place(job.id), await paused_at(app.settings, job)
    return build(job, place=place, paused=paused, shots=shots)


async def post_card(app: App, job: Job, channel_id: int) -> Shown | None:
    """Post a job's card as a message of its own, unless it stands there already; None where it can't.

    Raises one of `FAULTS`; one that may pass is mended in the background.
    """

    async def first() -> Sheet | None:
        current = await app.jobs.get(job.id)
        return Sheet(await card_of(app, current)) if current and not current.state.ended else None

    try:
        message = await app.messenger.show(_subject(app, job, channel_id), first, Rank.first)
    except FAULTS as error:
        if fault_of(error) is Fault.trouble:
            app.cards.post_later(job.id)
        raise
    app.dispatcher.job_changed(job.id)  # it may have begun before there was a card to show that on
    return message


@dataclass
class _Live:
    """What the card of a job that has not ended shows."""

    channel_id: int
    state: JobState = JobState.queued
    phase: str | None = None
    when: float = 0.0
    """Time of the last edit."""
    rendered: object = None
    message_id: int | None = None
    """Which message has `attached`."""
    attached: dict[Shot, discord.Attachment] = field(default_factory=dict)

    def begin(self, job: Job, now: float) -> None:
        """An edit shows the job as it is now."""
        self.state, self.phase, self.when = job.state, job.phase, now
        if self.message_id != job.message_id:
            self.message_id, self.rendered, self.attached = job.message_id, None, {}


class Cards:
    """The dispatcher's listener. An end that Discord did not take is raised, and comes again later."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._live: Recent[int, _Live] = Recent(_REMEMBERED)
        self._begun = time.time()
        self._unposted: Recent[int, None] = Recent(_REMEMBERED)
        """Jobs whose command could not post the card."""

    def post_later(self, job_id: int) -> None:
        """Post a job's card without the command that should have."""
        self._unposted[job_id] = None
        loop = asyncio.get_running_loop()
        loop.call_later(POST_AGAIN_SECONDS, self._app.dispatcher.job_changed, job_id)

    async def job_changed(self, job: Job) -> None:
        """Show progress, at most every few seconds; a new state, phase or place at once."""
        if job.message_id is None:
            await self._post_forgotten(job)
            return
        now = asyncio.get_running_loop().time()
        live = self._live.get(job.id) or _Live(job.channel_id)
        same = (live.state, live.phase) == (job.state, job.phase)
        if same and job.state is JobState.running and now - live.when < EDIT_SECONDS:
            return
        if same and live.rendered and job.state is JobState.queued and self._crowded(job.channel_id):
            return
        self._live[job.id] = live
        await self._app.bot.up.wait()
        try:
            await self._progress(job, live)
        except FAULTS as error:
            # The next change shows it; only a job's end has to arrive.
            log.warning("the card of job %s could not be edited: %s", job.id, error)

    def _crowded(self, channel_id: int) -> bool:
        waiting = [one for one in self._live.values() if one.state is JobState.queued]
        return sum(one.channel_id == channel_id for one in waiting) > _CROWD

    async def _post_forgotten(self, job: Job) -> None:
        """Post the first card where nobody else will: the command could not, or ended with its process."""
        if job.id not in self._unposted and job.created_at >= self._begun:
            return
        await self._app.bot.up.wait()
        try:
            await post_card(self._app, job, job.channel_id)
        except FAULTS as error:
            log.warning("the card of job %s could not be posted: %s", job.id, error)

    async def _progress(self, job: Job, live: _Live) -> None:
        """Edit a live card, if it would change; of its pictures only those go up that did."""
        drawn: tuple[object, list[Shot]] = (None, [])

        async def render() -> Sheet | None:
            nonlocal drawn
            current = await self._app.jobs.get(job.id)
            if current is None or current.state.ended:
                return None
            live.begin(current, asyncio.get_running_loop().time())
            files = await self._shots(current, live)
            view = await card_of(self._app, current, [*files])
            drawn = (view.to_components(), [*files])  # type: ignore[no-untyped-call]
            return Sheet(view, [*files.values()]) if drawn != live.rendered else None

        later = partial(self._app.dispatcher.job_changed, job.id)
        message = await self._app.messenger.update(_subject(self._app, job, job.channel_id), render, later)
        if message is not None:
            live.rendered = drawn
            attached = {attachment.filename: attachment for attachment in message.attachments}
            live.attached = {shot: attached[shot.name] for shot in drawn[1] if shot.name in attached}

    async def _shots(self, job: Job, live: _Live) -> dict[Shot, discord.File | discord.Attachment]:
        """A job's pictures of itself: those that its message has, and the others as uploads."""
        shots = await asyncio.to_thread(shots_of, self._app.files, job)
        new = await asyncio.to_thread(uploads_of, [shot for shot in shots if shot not in live.attached])
        here: Mapping[Shot, discord.File | discord.Attachment] = {**live.attached, **new}
        return {shot: here[shot] for shot in shots if shot in here}

    async def finished(self, job: Job) -> None:
        """Show the end of a job; the pictures of a drawing follow in `pictures_ready`."""
        await self._app.bot.up.wait()
        self._live.pop(job.id, None)
        self._unposted.pop(job.id, None)
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
            return await render() if await _wanted(self._app, job.id) else None

        with nowhere_to_go(f"the end of job {job.id}"):
            await self._app.messenger.show(_subject(self._app, job, job.channel_id), wanted)

    async def _samples_channel(self, job: Job) -> discord.TextChannel | None:
        guild = self._app.bot.get_guild(job.guild_id)
        if guild is None:
            return None
        return await samples_channel(guild, await self._app.settings.get(job.guild_id))


def _subject(app: App, job: Job, channel_id: int) -> Subject:
    """A job's card, which goes to `channel_id` if it is not there yet."""

    async def find() -> Place | None:
        current = await app.jobs.get(job.id)
        if current is None or current.message_id is None:
            return None
        return Place(current.channel_id, current.message_id)

    async def keep(place: Place) -> bool:
        return await app.jobs.set_message(job.id, *place) and await _wanted(app, job.id)

    return Subject(f"job:{job.id}", channel_id, job.guild_id, find, keep)


async def _wanted(app: App, job_id: int) -> bool:
    """Whether a job may have a card: it was not erased, and its pictures were not deleted."""
    job = await app.jobs.get(job_id)
    if job is None:
        return False
    return _trains(job) or job.state is not JobState.done or bool(await app.pictures.of_job(job_id))


def _trains(job: Job) -> bool:
    return job.kind is JobKind.train
