"""Where the bot and a person may speak, what a person may read, and where samples are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import discord

from bot.faults import Fault, fault_of
from bot.services.refusal import Refusal
from bot.ui.replies import language_of
from data.jobs import Origin
from data.settings import GuildSettings

if TYPE_CHECKING:
    from bot.client import LikenessBot

SAMPLES_NAME = "prompts"

_NEEDED = discord.Permissions(view_channel=True, send_messages=True, attach_files=True)
_READING = discord.Permissions(view_channel=True, read_message_history=True)


def may_post(channel: discord.abc.GuildChannel) -> bool:
    """Whether the bot can show a card with pictures in this channel."""
    return channel.permissions_for(channel.guild.me) >= _NEEDED


def permissions_in(interaction: discord.Interaction[LikenessBot], channel_id: int) -> discord.Permissions:
    """What this person may do now in a channel of the server; nothing where we don't know the channel.

    Of a private thread only Discord knows who is in it: there, it says so itself with what is pressed.
    """
    if interaction.channel_id == channel_id:
        return interaction.permissions
    channel = interaction.guild.get_channel_or_thread(channel_id) if interaction.guild else None
    hidden = isinstance(channel, discord.Thread) and channel.is_private()
    if channel is None or hidden or not isinstance(interaction.user, discord.Member):
        return discord.Permissions.none()
    return channel.permissions_for(interaction.user)


def may_read(interaction: discord.Interaction[LikenessBot], channel_id: int) -> bool:
    """Whether this person may read now what stands in a channel of the server."""
    return permissions_in(interaction, channel_id) >= _READING


def may_write(interaction: discord.Interaction[LikenessBot]) -> bool:
    """Whether this person may write where they are: Discord offers buttons where they may not."""
    return interaction.permissions >= _writing(interaction)


async def origin_of(interaction: discord.Interaction[LikenessBot]) -> Origin:
    """Who asks for a job, where, and in which language.

    Raises Refusal where no card could be kept true, or where the person may not write: guild_only,
    bot_permissions, may_not_write.
    """
    if interaction.guild_id is None or interaction.channel_id is None:
        raise Refusal("guild_only")
    needed = discord.Permissions(view_channel=True, attach_files=True) | _writing(interaction)
    if not interaction.app_permissions >= needed:
        raise Refusal("bot_permissions")
    if not may_write(interaction):
        raise Refusal("may_not_write")
    return Origin(
        user_id=interaction.user.id,
        guild_id=interaction.guild_id,
        channel_id=interaction.channel_id,
        locale=await language_of(interaction),
    )


class Person(TypedDict):
    """Who asks, as `Access.check` wants to know it."""

    user_id: int
    guild_id: int
    role_ids: tuple[int, ...]
    manager: bool


def person_of(interaction: discord.Interaction[LikenessBot]) -> Person:
    """Who asks, with their roles. Raises Refusal outside of a server."""
    if interaction.guild_id is None:
        raise Refusal("guild_only")
    roles = interaction.user.roles if isinstance(interaction.user, discord.Member) else []
    return Person(
        user_id=interaction.user.id,
        guild_id=interaction.guild_id,
        role_ids=tuple(role.id for role in roles),
        manager=interaction.permissions.manage_guild or interaction.permissions.administrator,
    )


async def person_in(guild: discord.Guild, user_id: int) -> Person | None:
    """Who somebody is on a server now, asked of Discord; None when they have left it."""
    try:
        member = await guild.fetch_member(user_id)
    except discord.NotFound:
        return None
    return Person(
        user_id=user_id,
        guild_id=guild.id,
        role_ids=tuple(role.id for role in member.roles),
        manager=member.guild_permissions.manage_guild,
    )


def age_restricted(interaction: discord.Interaction[LikenessBot]) -> bool:
    """Whether only adults see the channel; a thread is as its parent."""
    channel = interaction.channel
    return bool(
        isinstance(
            channel, discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.Thread
        )
        and channel.is_nsfw()
    )


def _writing(interaction: discord.Interaction[LikenessBot]) -> discord.Permissions:
    in_thread = isinstance(interaction.channel, discord.Thread)
    return discord.Permissions(send_messages=not in_thread, send_messages_in_threads=in_thread)


async def samples_channel(guild: discord.Guild, settings: GuildSettings) -> discord.TextChannel | None:
    """The channel that the admins chose, else `#prompts`, else a new one; None where none is allowed."""
    chosen = guild.get_channel(settings.samples_channel_id) if settings.samples_channel_id else None
    named = [channel for channel in guild.text_channels if channel.name == SAMPLES_NAME]
    for channel in (chosen, *named):
        if isinstance(channel, discord.TextChannel) and may_post(channel):
            return channel
    if not guild.me.guild_permissions.manage_channels or named:
        return None
    try:
        return await guild.create_text_channel(SAMPLES_NAME)
    except discord.HTTPException as error:
        if fault_of(error) is Fault.trouble:
            raise
        return None
