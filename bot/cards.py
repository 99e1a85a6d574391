"""Keeps the cards of jobs true: the dispatcher tells what happens to a job, this shows it on Discord.

A card is an ordinary message of the bot, found by the ids in the database, so it can be edited after
a restart and long after the interaction that asked for it is over.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import discord

from bot.ends import Ends
from bot.faults import FAULTS, Fault, fault_of
from bot.job_card import card_of, subject_of
from bot.messenger import Sheet, Shown
from bot.pace import Rank
from bot.services.shots import Shot, shots_of
from bot.ui.pictures import uploads_of
from data.jobs import Job, JobState
from data.recent import Recent

if TYPE_CHECKING:
    from bot.app import App

log = logging.getLogger(__name__)

EDIT_SECONDS = 5.0
"""Least time between two edits of a card while only its progress changes."""

POST_AGAIN_SECONDS = 15.0
"""Before a first card is posted once more that Discord did not take."""

_CROWD = 10
"""More waiting cards than that in one channel keep the places that they name: results need its edits."""

_REMEMBERED = 10_000


@dataclass
class _Live:
    """What the card of a job that has not ended shows."""

    channel_id: int
    state: JobState = JobState.queued
    phase: str | None = None
    when: float = 0.0
    """Time of the last edit."""
    due: bool = False
    """Whether another waits for its time: no change may follow the one that it will show."""
    place: int | None = None
    """The place in the queue that it names."""
    rendered: object = None
    message_id: int | None = None
    """Which message has `attached`."""
    attached: dict[Shot, discord.Attachment] = field(default_factory=dict)

    def begin(self, job: Job, now: float) -> None:
        """An edit shows the job as it is now."""
        self.state, self.phase, self.when, self.due = job.state, job.phase, now, False
        if self.message_id != job.message_id:
            self.message_id, self.rendered, self.attached = job.message_id, None, {}


class Cards(Ends):
    """The dispatcher's listener."""

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self._live: Recent[int, _Live] = Recent(_REMEMBERED)
        self._begun = time.time()
        self._unposted: Recent[int, float] = Recent(_REMEMBERED)
        """Jobs whose card could not be posted, and when that is tried again, if ever."""

    def post_later(self, job_id: int) -> None:
        """Post a job's card without the command that should have."""
        loop = asyncio.get_running_loop()
        self._unposted[job_id] = due = loop.time() + POST_AGAIN_SECONDS
        loop.call_at(due, self._app.dispatcher.job_changed, job_id)

    def posted(self, job_id: int, live: _Live) -> None:
        """A job's card is there. The job may have moved on before there was a card to show that on."""
        self._live[job_id] = live
        self._app.dispatcher.job_changed(job_id)

    async def job_changed(self, job: Job) -> None:
        """Show progress, at most every few seconds; a new state, phase or place at once."""
        if job.message_id is None:
            await self._post_forgotten(job)
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        live = self._live.get(job.id) or _Live(job.channel_id)
        same = (live.state, live.phase) == (job.state, job.phase)
        if same and job.state is JobState.running and now < (due := live.when + EDIT_SECONDS):
            if not live.due:
                live.due = True
                loop.call_at(due, self._app.dispatcher.job_changed, job.id)
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
        due = self._unposted.get(job.id, math.inf if job.created_at >= self._begun else 0)
        if asyncio.get_running_loop().time() < due:
            return
        await self._app.bot.up.wait()
        try:
            await post_card(self._app, job, job.channel_id)
        except FAULTS as error:
            log.warning("the card of job %s could not be posted: %s", job.id, error)
            if fault_of(error) is not Fault.trouble:
                self._unposted[job.id] = math.inf

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
            if live.place is None or not self._crowded(live.channel_id):
                live.place = await self._app.jobs.place(job.id)
            view = await card_of(self._app, current, live.place, [*files])
            drawn = (view.to_components(), [*files])  # type: ignore[no-untyped-call]
            return Sheet(view, [*files.values()]) if drawn != live.rendered else None

        later = partial(self._app.dispatcher.job_changed, job.id)
        message = await self._app.messenger.update(subject_of(self._app, job, job.channel_id), render, later)
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
        """Show the end of a job; nothing live is left of its card."""
        self._live.pop(job.id, None)
        self._unposted.pop(job.id, None)
        await super().finished(job)


async def post_card(app: App, job: Job, channel_id: int) -> Shown | None:
    """Post a job's card as a message of its own, unless it stands there already; None where it can't.

    Raises one of `FAULTS`; one that may pass is mended in the background.
    """
    live = _Live(channel_id)

    async def first() -> Sheet | None:
        current = await app.jobs.get(job.id)
        if current is None or current.state.ended:
            return None
        live.begin(current, asyncio.get_running_loop().time())
        live.place = await app.jobs.place(job.id)
        view = await card_of(app, current, live.place)
        live.rendered = (view.to_components(), [])  # type: ignore[no-untyped-call]
        return Sheet(view)

    try:
        message = await app.messenger.show(subject_of(app, job, channel_id), first, Rank.first)
    except FAULTS as error:
        if fault_of(error) is Fault.trouble:
            app.cards.post_later(job.id)
        raise
    if isinstance(message, discord.Message):
        live.message_id = message.id
        app.cards.posted(job.id, live)
    return message
