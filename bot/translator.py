"""Command names and descriptions in every language of the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import discord
from discord import app_commands

from bot.locales import DEFAULT, language_for, t

_Command = TypeVar("_Command", bound=Callable[..., Any])


def text(key: str, **params: object) -> app_commands.locale_str:
    """A command's text by its key: English for Discord, key and parameters for the translator."""
    return app_commands.locale_str(t(DEFAULT, key, **params), key=key, params=params)


def options(**tables: str) -> Callable[[_Command], _Command]:
    """Give the options of a command, by their parameters, the names and descriptions of these tables.

    A number at the end of a parameter's name fills `{n}` in.
    """
    names, descriptions = {}, {}
    for parameter, table in tables.items():
        number = parameter.lstrip("_abcdefghijklmnopqrstuvwxyz")
        names[parameter] = text(f"{table}.name", **({"n": number} if number else {}))
        descriptions[parameter] = text(f"{table}.description")

    def decorate(command: _Command) -> _Command:
        return app_commands.rename(**names)(app_commands.describe(**descriptions)(command))

    return decorate


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
        return t(locale, key, **string.extras.get("params", {}))
