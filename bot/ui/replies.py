"""How the bot answers one person: in their language, privately, and always with a sentence."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands, ui

from bot.faults import FAULTS, Fault, fault_of, said
from bot.locales import has, language_for, t
from bot.services.refusal import Notice, Refusal
from bot.ui.look import Accent, note, quoted
from data.database import Unwritable

if TYPE_CHECKING:
    from bot.client import LikenessBot

log = logging.getLogger(__name__)

EXPIRED = {10062, 10015, 50027}
"""Discord's codes for an interaction whose time is over: nobody is left to answer."""


async def language_of(interaction: discord.Interaction[LikenessBot]) -> str:
    """The server's language when its admins chose one, else that of the person's own client."""
    if interaction.guild_id is not None:
        settings = await interaction.client.app.settings.get(interaction.guild_id)
        if settings.language != "auto":
            return language_for(settings.language)
    return language_for(interaction.locale)


async def answer(interaction: discord.Interaction[Any], text: str, accent: Accent = Accent.waiting) -> None:
    """Say `text` to this person alone, whether or not the interaction was answered before."""
    await show(interaction, note(text, accent))


async def show(
    interaction: discord.Interaction[Any], view: ui.LayoutView, files: Sequence[discord.File] = ()
) -> None:
    """Show a card to this person alone: as the answer, in place of "thinking…", or after the answer."""
    response = interaction.response
    if not response.is_done():
        await response.send_message(view=view, files=files, ephemeral=True)
    elif response.type is discord.InteractionResponseType.deferred_channel_message:
        await interaction.edit_original_response(view=view, attachments=files)
    else:
        await interaction.followup.send(view=view, files=files, ephemeral=True)


async def replace(
    interaction: discord.Interaction[Any], view: ui.LayoutView, files: Sequence[discord.File] = ()
) -> None:
    """Put a card in the place of the one whose button was pressed."""
    if interaction.response.is_done():
        await interaction.edit_original_response(view=view, attachments=files)
    else:
        await interaction.response.edit_message(view=view, attachments=files)


async def report(interaction: discord.Interaction[LikenessBot], error: BaseException) -> None:
    """Tell the person what went wrong, and the log what they need not know.

    The order matters, first match wins: 1. refusals, our own and the database's; 2. what Discord's command
    checks refuse; 3. commands that this version no longer knows; 4. interactions that are over, where
    nobody listens; 5. permissions that Discord denies the bot; 6. Discord's own troubles;
    7. everything else, a defect of ours, with a reference that joins the person's message to the log.
    """
    if isinstance(error, app_commands.CommandInvokeError | app_commands.TransformerError):
        error = error.__cause__ or error
    try:
        locale = await language_of(interaction)
        text = _sentence(locale, error)
        if text is None:
            return
        await answer(interaction, text, Accent.failed)
    except FAULTS as failure:
        log.warning("could not tell a person about %s: %s", type(error).__name__, failure)


def explain(locale: str, code: str, params: Mapping[str, object], message: str | None = None) -> str:
    """The sentence for a stable error code; `message`, in English, for one that the catalogue lacks."""
    if code == "bad_value" and {"low", "high"} <= params.keys():
        code = "bad_range"
    key = f"error.{code}"
    if has(key):
        with suppress(KeyError):  # a worker's error comes without the numbers that a refusal has
            return t(locale, key, **{name: _spoken(locale, value) for name, value in params.items()})
    return quoted(message) if message else t(locale, "error.internal", reference=code)


def _spoken(locale: str, value: object) -> object:
    """A parameter as it stands in a sentence: a person's words made harmless, role ids, notices as a list."""
    if isinstance(value, str):
        return quoted(value, 60)
    if isinstance(value, list):
        return ", ".join(f"<@&{role}>" for role in value)
    if isinstance(value, tuple):
        notices = [item for item in value if isinstance(item, Notice)]
        return "".join(f"\n- {explain(locale, notice.code, notice.params)}" for notice in notices)
    return value


def _sentence(locale: str, error: BaseException) -> str | None:
    if isinstance(error, Refusal):
        return explain(locale, error.code, error.params)
    if isinstance(error, Unwritable):
        return explain(locale, error.code, {})
    if isinstance(error, app_commands.NoPrivateMessage):
        return t(locale, "error.guild_only")
    if isinstance(error, app_commands.CheckFailure):
        return t(locale, "error.not_allowed")
    if isinstance(error, app_commands.CommandNotFound | app_commands.CommandSignatureMismatch):
        return t(locale, "error.old_command")
    if isinstance(error, discord.HTTPException) and error.code in EXPIRED:
        log.warning("an interaction was over before it was answered: %s", error)
        return None
    if isinstance(error, discord.Forbidden):
        log.warning("Discord denied: %s", error)
        return t(locale, "error.bot_permissions")
    if fault_of(error) in (Fault.trouble, Fault.gone):
        log.warning("Discord is in trouble, or what it was about is gone: %s", said(error))
        return t(locale, "error.discord_busy")
    reference = secrets.token_hex(4)
    log.error("unexpected error, reference %s", reference, exc_info=error)
    return t(locale, "error.internal", reference=reference)
