"""Who may press what: one rule a verb, asked at the moment of the press.

A rule looks at who presses, in which server or direct message, and whether the card in question may stand
there at all. Whoever has no business with a row hears what they would hear if it did not exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord

from bot.channels import age_restricted, may_read, permissions_in
from bot.services.draw_payload import is_private
from bot.services.refusal import Refusal
from data.gallery import Shared
from data.jobs import Job, JobKind
from data.models import Model
from data.secrets import Scope

if TYPE_CHECKING:
    from bot.client import LikenessBot

    Interaction = discord.Interaction[LikenessBot]


async def anybody(_interaction: Interaction, _id: int) -> None:
    """For what shows or changes nothing but the presser's own."""


async def member(interaction: Interaction, _id: int) -> None:
    """Anybody, on a server."""
    guild_of(interaction)


async def admin(interaction: Interaction, _id: int) -> None:
    """Who manages this server, now."""
    admins_guild(interaction)


async def queue_keeper(interaction: Interaction, everywhere: int) -> None:
    """The server's admins for its own queue; for the whole installation's the bot's owner."""
    if not everywhere:
        admins_guild(interaction)
    elif not await interaction.client.is_owner(interaction.user):
        raise Refusal("not_owner")


async def drawing(interaction: Interaction, job_id: int) -> None:
    """Whoever sees the drawing."""
    await _seen_drawing(interaction, job_id)


async def own_drawing(interaction: Interaction, job_id: int) -> None:
    """Whose drawing it is."""
    if (await _seen_drawing(interaction, job_id)).user_id != interaction.user.id:
        raise Refusal("not_yours")


async def own_or_moderated_drawing(interaction: Interaction, job_id: int) -> None:
    """Whose drawing it is, and the moderators of its channel."""
    job = await _seen_drawing(interaction, job_id)
    moderates = interaction.guild_id and permissions_in(interaction, job.channel_id).manage_messages
    if job.user_id != interaction.user.id and not moderates:
        raise Refusal("not_yours")


async def stoppable_job(interaction: Interaction, job_id: int) -> None:
    """Whose job it is, also from a private answer, and the server's admins."""
    job = await interaction.client.app.jobs.get(job_id)
    if job is None or not (job.guild_id == interaction.guild_id or _alone(interaction, job)):
        raise Refusal("no_such_job")
    if job.user_id != interaction.user.id and not interaction.permissions.manage_guild:
        raise Refusal("not_yours")


async def reportable_job(interaction: Interaction, job_id: int) -> None:
    """Whoever sees the pictures, on the card of their job or of what is shared of it."""
    app = interaction.client.app
    job = await app.jobs.get(job_id)
    if job is None or not (
        _seen(interaction, job)
        or any(_shown(interaction, shared) for shared in await app.gallery.of_job(job_id))
    ):
        raise Refusal("no_such_picture")


async def moderated_report(interaction: Interaction, report_id: int) -> None:
    """Moderators of the report's own server; in a direct message, the owner of that server."""
    report = await interaction.client.app.reporting.open(report_id)
    if interaction.guild_id is None:
        guild = interaction.client.get_guild(report.guild_id)
        if guild is None or guild.owner_id != interaction.user.id:
            raise Refusal("no_such_report")
        return
    if interaction.guild_id != report.guild_id:
        raise Refusal("no_such_report")
    if not (interaction.permissions.manage_messages or interaction.permissions.manage_guild):
        raise Refusal("not_moderator")


async def shared_card(interaction: Interaction, shared_id: int) -> None:
    """Whoever may read the channel where the card stands."""
    shared = await interaction.client.app.gallery.get(shared_id, guild_of(interaction))
    if not _shown(interaction, shared):
        raise Refusal("no_such_card")


async def own_search(interaction: Interaction, search_id: int) -> None:
    """Who searched, in that server."""
    await interaction.client.app.gallery.searched(search_id, guild_of(interaction), interaction.user.id)


async def usable_model(interaction: Interaction, model_id: int) -> None:
    """Whose model it is, and everybody of its server while it is shared."""
    model = await interaction.client.app.models.get(model_id)
    if model is None or not model.usable_by(interaction.user.id, interaction.guild_id or 0):
        raise Refusal("no_such_model")


async def own_model(interaction: Interaction, model_id: int) -> None:
    """Whose model it is, in its own server."""
    if (await _own_model(interaction, model_id)).guild_id != interaction.guild_id:
        raise Refusal("no_such_model")


async def own_model_or_message(interaction: Interaction, model_id: int) -> None:
    """Whose model it is, in its own server or in a direct message about its export."""
    model = await _own_model(interaction, model_id)
    if interaction.guild_id not in (None, model.guild_id):
        raise Refusal("no_such_model")


async def own_handover(interaction: Interaction, handover_id: int) -> None:
    """Who asked for the export or publication, in that server or in a direct message about it."""
    handover = await interaction.client.app.handovers.get(handover_id)
    if (
        handover is None
        or handover.user_id != interaction.user.id
        or interaction.guild_id not in (None, handover.guild_id)
    ):
        raise Refusal("no_such_handover")


async def own_draft(interaction: Interaction, draft_id: int) -> None:
    """Whose photos they are, in the server where they would be trained on."""
    draft = await interaction.client.app.drafting.of(draft_id, interaction.user.id)
    if draft.guild_id != interaction.guild_id:
        raise Refusal("draft_gone")


async def offered_deployment(interaction: Interaction, number: int) -> None:
    """Whom the offer was made to: a person, or whoever manages the server."""
    interaction.client.app.endpoint_deploys.offered(number, payers(interaction))


def guild_of(interaction: Interaction) -> int:
    """The server where this is asked. Raises Refusal(guild_only)."""
    if interaction.guild_id is None:
        raise Refusal("guild_only")
    return interaction.guild_id


def admins_guild(interaction: Interaction) -> int:
    """The server that this person manages, and nobody else may change. Raises Refusal: guild_only, not_admin.

    Discord's own permission setting only hides a command, so this is asked at every touch.
    """
    guild_id = guild_of(interaction)
    if not interaction.permissions.manage_guild:
        raise Refusal("not_admin")
    return guild_id


def payers(interaction: Interaction) -> dict[Scope, int]:
    """For whom this person may spend money: themselves, and the server that they manage."""
    scopes: dict[Scope, int] = {"user": interaction.user.id}
    if interaction.guild_id is not None and interaction.permissions.manage_guild:
        scopes["guild"] = interaction.guild_id
    return scopes


def may_see(interaction: Interaction, channel_id: int | None) -> bool:
    """Whether a person may be shown here what stands in a channel of the server.

    What an age-restricted channel shows stays out of the others.
    """
    if channel_id is None or not may_read(interaction, channel_id):
        return False
    channel = interaction.guild and interaction.guild.get_channel_or_thread(channel_id)
    restricted = isinstance(channel, discord.TextChannel | discord.Thread) and channel.is_nsfw()
    return age_restricted(interaction) or not restricted


def _shown(interaction: Interaction, shared: Shared) -> bool:
    """Whether this person sees a shared card: who presses something where it stands does.

    Where it stands is written down a moment after it was posted; until then only the card itself knows.
    """
    if shared.guild_id != interaction.guild_id:
        return False
    return shared.channel_id in (None, interaction.channel_id) or may_see(interaction, shared.channel_id)


async def _seen_drawing(interaction: Interaction, job_id: int) -> Job:
    job = await interaction.client.app.jobs.get(job_id)
    if job is None or job.kind is not JobKind.draw or not _seen(interaction, job):
        raise Refusal("no_such_job")
    return job


def _seen(interaction: Interaction, job: Job) -> bool:
    """Whether this person sees the job's card: a private one is a direct message, and stands nowhere else."""
    if interaction.guild_id is None or is_private(job):
        return _alone(interaction, job)
    if job.guild_id != interaction.guild_id:
        return False
    return job.channel_id == interaction.channel_id or may_read(interaction, job.channel_id)


def _alone(interaction: Interaction, job: Job) -> bool:
    return interaction.guild_id is None and job.user_id == interaction.user.id and is_private(job)


async def _own_model(interaction: Interaction, model_id: int) -> Model:
    return await interaction.client.app.owned.own(model_id, interaction.user.id)
