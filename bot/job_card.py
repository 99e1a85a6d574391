"""A job's card: what it shows until the job ends, and where the database keeps its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from discord import ui

from bot.messenger import Place, Subject
from bot.services.access import paused_at
from bot.services.shots import Shot
from bot.ui.draw_card import draw_card
from bot.ui.train_card import train_card
from data.jobs import Job, JobKind, JobState

if TYPE_CHECKING:
    from bot.app import App


async def card_of(app: App, job: Job, place: int | None, shots: Sequence[Shot] = ()) -> ui.LayoutView:
    """The card of a job that has not ended, at a place in its queue, for a message that carries `shots`."""
    build = train_card if job.kind is JobKind.train else draw_card
    return build(job, place=place, paused=await paused_at(app.settings, job), shots=shots)


def subject_of(app: App, job: Job, channel_id: int) -> Subject:
    """A job's card, which goes to `channel_id` if it is not there yet."""

    async def find() -> Place | None:
        current = await app.jobs.get(job.id)
        if current is None or current.message_id is None:
            return None
        return Place(current.channel_id, current.message_id)

    async def keep(place: Place) -> bool:
        return await app.jobs.set_message(job.id, *place) and await is_wanted(app, job.id)

    return Subject(f"job:{job.id}", channel_id, job.guild_id, find, keep)


async def is_wanted(app: App, job_id: int) -> bool:
    """Whether a job may have a card: it was not erased, and its pictures were not deleted."""
    job = await app.jobs.get(job_id)
    if job is None or job.kind is JobKind.train or job.state is not JobState.done:
        return job is not None
    return bool(await app.pictures.of_job(job_id))
