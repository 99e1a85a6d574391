"""From a command or a button to a drawing's card: who asks, where the card goes, and what is said of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import discord

from bot.cards import post_card
from bot.channels import age_restricted, may_write, origin_of, person_in, person_of
from bot.faults import FAULTS, Fault, fault_of
from bot.locales import t
from bot.services.draw_payload import DrawPayload
from bot.services.imagining import Asker
from bot.services.refusal import Refusal
from bot.ui.look import Accent, quoted
from bot.ui.replies import answer, language_of
from data.jobs import Job, Origin
from inference.prompt_length import unread

if TYPE_CHECKING:
    from bot.client import LikenessBot

log = logging.getLogger(__name__)


class Ask(NamedTuple):
    """Who asks for a job and where its card goes, and what the rules ask about them."""

    origin: Origin
    asker: Asker


def asker_of(interaction: discord.Interaction[LikenessBot]) -> Asker:
    """What the rules ask about a person of a server. Raises Refusal outside of one."""
    person = person_of(interaction)
    return Asker(
        person["role_ids"], person["manager"], age_restricted(interaction), writes=may_write(interaction)
    )


async def ask_here(interaction: discord.Interaction[LikenessBot], *, private: bool = False) -> Ask:
    """Who asks for a drawing on a server; its card goes to them alone if they wish, or may not write here.

    Raises Refusal as `origin_of` and `private_origin` do.
    """
    asker = asker_of(interaction)
    place = private_origin if private or not asker.writes else origin_of
    return Ask(await place(interaction), asker)


async def private_origin(interaction: discord.Interaction[LikenessBot]) -> Origin:
    """As `origin_of`, for a card that goes to the person alone. Raises Refusal: guild_only, dm_closed."""
    if interaction.guild_id is None:
        raise Refusal("guild_only")
    try:
        channel = await interaction.user.create_dm()
    except discord.Forbidden as error:
        raise Refusal("dm_closed") from error
    return Origin(
        user_id=interaction.user.id,
        guild_id=interaction.guild_id,
        channel_id=channel.id,
        locale=await language_of(interaction),
    )


async def ask_of(interaction: discord.Interaction[LikenessBot], job_id: int) -> Ask:
    """Who pressed a button of a drawing's card, in a server or in a direct message.

    Raises Refusal: no_such_job, and as `origin_of` does.
    """
    if interaction.guild_id is not None:
        return await ask_here(interaction)
    app = interaction.client.app
    job = await app.jobs.get(job_id)
    guild = app.bot.get_guild(job.guild_id) if job is not None else None
    if guild is None or interaction.channel_id is None:
        raise Refusal("no_such_job")
    origin = Origin(
        user_id=interaction.user.id,
        guild_id=guild.id,
        channel_id=interaction.channel_id,
        locale=await language_of(interaction),
    )
    person = await person_in(guild, interaction.user.id)
    if person is None:  # they left the server, and its rules let nobody draw from outside
        raise Refusal("no_such_job")
    return Ask(origin, Asker(person["role_ids"], person["manager"]))


async def deliver(
    interaction: discord.Interaction[LikenessBot], job: Job, ask: Ask, notes: Sequence[str] = ()
) -> None:
    """Post the card of a queued drawing, and tell the person alone what only they should know.

    Raises Refusal(dm_closed) when a private card can't reach them; the drawing is then called off. Where
    Discord does not take the card, now or for good, the drawing stays in the queue, and they are told which.
    """
    app, locale, asked = interaction.client.app, ask.origin["locale"], DrawPayload.of(job)
    said = list(notes)
    try:
        await post_card(app, job, ask.origin["channel_id"])
    except discord.Forbidden as error:
        await app.dispatcher.cancel(job.id)
        raise Refusal("dm_closed" if asked.private else "bot_permissions") from error
    except FAULTS as error:
        log.warning("the card of job %d could not be posted: %s", job.id, error)
        comes_later = fault_of(error) is Fault.trouble
        said.append(t(locale, "draw.unseen" if comes_later else "draw.without_card"))
    else:
        if asked.private and interaction.guild_id is not None:
            said.append(t(locale, "draw.private" if ask.asker.writes else "draw.private_here"))
    cut = await asyncio.to_thread(unread, asked.base, asked.prompt)
    if cut:
        said.append(t(locale, "draw.cut", cut=quoted(cut, 200)))
    try:
        if said:
            await answer(interaction, "\n".join(said), Accent.waiting)
        else:
            await interaction.delete_original_response()
    except FAULTS as error:  # the drawing is in the queue: who is told to try again would have it twice
        log.warning("who asked for job %d could not be answered: %s", job.id, error)
