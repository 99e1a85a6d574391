"""Where the bot may speak, and where it shows samples."""

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


def may_post(channel: discord.abc.GuildChannel) -> bool:
    """Whether the bot can show a card with pictures in this channel."""
    return channel.permissions_for(channel.guild.me) >= _NEEDED


async def origin_of(interaction: discord.Interaction[LikenessBot]) -> Origin:
    """Who asks for a job, where, and in which language. Raises Refusal where no card could be kept true."""
    if interaction.guild_id is None or interaction.channel_id is None:
        raise Refusal("guild_only")
    needed = discord.Permissions(view_channel=True, attach_files=True)
    in_thread = isinstance(interaction.channel, discord.Thread)
    needed.update(send_messages=not in_thread, send_messages_in_threads=in_thread)
    if not interaction.app_permissions >= needed:
        raise Refusal("bot_permissions")
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


def age_restricted(interaction: discord.Interaction[LikenessBot]) -> bool:
    """Whether only adults see the channel; a thread is as its parent."""
    channel = interaction.channel
    return bool(
        isinstance(
            channel, discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.Thread
        )
        and channel.is_nsfw()
    )


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
