"""Command names and descriptions in every language of the catalogue."""

from __future__ import annotations

import discord
from discord import app_commands

from bot.locales import DEFAULT, language_for, t


def text(key: str) -> app_commands.locale_str:
    """A command's text by its key: English for Discord, the key for the translator."""
    return app_commands.locale_str(t(DEFAULT, key), key=key)


class Translator(app_commands.Translator):
    """Gives Discord the other languages when commands are synchronised."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        key = string.extras.get("key")
        if key is None or language_for(locale) == DEFAULT:
            return None
        return t(locale, key)
