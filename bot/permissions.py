"""What the bot may not do in a server but should, told to its admins once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import discord

from bot.channels import SAMPLES_NAME, may_post
from bot.faults import FAULTS
from bot.locales import language_for, t
from bot.messenger import Sheet, Subject
from bot.ui.look import Accent, note
from data.database import until_written
from data.settings import GuildSettings

if TYPE_CHECKING:
    from bot.app import App

log = logging.getLogger(__name__)

_NEEDED = (
    "view_channel",
    "send_messages",
    "send_messages_in_threads",
    "attach_files",
    "read_message_history",
)


def missing(guild: discord.Guild, settings: GuildSettings) -> list[tuple[str, str]]:
    """What is wrong: keys of the texts `missing.…`, and what each is about."""
    granted = guild.me.guild_permissions
    wrong = [(name, "") for name in _NEEDED if not getattr(granted, name)]
    for channel_id in (settings.samples_channel_id, settings.gallery_channel_id, settings.modlog_channel_id):
        channel = guild.get_channel(channel_id) if channel_id else None
        if channel_id and channel is None:
            wrong.append(("channel_gone", str(channel_id)))
        elif channel is not None and not may_post(channel):
            wrong.append(("channel_closed", f"<#{channel.id}>"))
    named = any(channel.name == SAMPLES_NAME for channel in guild.text_channels)
    if settings.samples_channel_id is None and not named and not granted.manage_channels:
        wrong.append(("manage_channels", f"#{SAMPLES_NAME}"))
    return list(dict.fromkeys(wrong))


async def tell_missing(app: App, guild: discord.Guild) -> None:
    """Say what is missing where admins read it, but only when that has changed since it was last said."""
    settings = await app.settings.get(guild.id)
    wrong = missing(guild, settings)
    key = f"missing:{guild.id}"
    state = repr(wrong) if wrong else None
    if state == await app.notes.get(key):
        return
    if wrong:
        log.warning("missing in server %d: %s", guild.id, ", ".join(name for name, _ in wrong))
        locale = language_for(guild.preferred_locale if settings.language == "auto" else settings.language)
        lines = [f"- {t(locale, f'missing.{name}', what=what)}" for name, what in wrong]
        channel = _admins_channel(guild, settings)
        if channel is not None:
            said = f"## {t(locale, 'help.missing_title')}\n" + "\n".join(lines)

            async def sheet() -> Sheet:
                return Sheet(note(said, Accent.failed))

            try:
                await app.messenger.show(Subject(f"{key}:{state}", channel.id, guild.id), sheet)
            except FAULTS as error:
                log.warning("server %d could not be told: %s", guild.id, error)
    await until_written(lambda: app.notes.put(key, state))


def _admins_channel(guild: discord.Guild, settings: GuildSettings) -> discord.TextChannel | None:
    """The moderators' log, else the channel for system messages, else nowhere: the log has it."""
    chosen = guild.get_channel(settings.modlog_channel_id or 0)
    for channel in (chosen, guild.system_channel):
        if isinstance(channel, discord.TextChannel) and channel.permissions_for(guild.me).send_messages:
            return channel
    return None
