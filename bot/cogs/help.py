"""`/help`: the tour, and each command's own page."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.locales import t
from bot.rules import anybody
from bot.selfies import strip
from bot.services.refusal import Refusal
from bot.translator import options, text
from bot.ui.buttons import on_press
from bot.ui.help_cards import COMMANDS, PAGES, command_card, tour_card
from bot.ui.pictures import row_of
from bot.ui.replies import language_of, replace, show

if TYPE_CHECKING:
    from bot.client import LikenessBot


_EXAMPLES = 6
"""Styles in the picture of a page; those that have no example yet get one for the next time."""


class Help(commands.Cog):
    @app_commands.command(name=text("command.help.name"), description=text("command.help.description"))
    @options(command="option.command")
    async def help(self, interaction: discord.Interaction[LikenessBot], command: str = "") -> None:
        locale = await language_of(interaction)
        wanted = command.strip().lstrip("/").casefold()
        if not wanted:
            files = await _pictures(interaction, 0)
            await show(interaction, tour_card(locale, 0, *files), files)
        elif wanted in COMMANDS:
            await show(interaction, command_card(locale, wanted))
        else:
            raise Refusal("no_such_command", command=command)

    @help.autocomplete("command")
    async def offer_commands(
        self, interaction: discord.Interaction[LikenessBot], current: str
    ) -> list[app_commands.Choice[str]]:
        locale, typed = await language_of(interaction), current.strip().lstrip("/").casefold()
        labels = {command: f"/{command} · {t(locale, f'brief.{command}')}" for command in COMMANDS}
        return [
            app_commands.Choice(name=label[:100], value=command)
            for command, label in labels.items()
            if typed in label.casefold()
        ]


@on_press("help", anybody)
async def turn_page(interaction: discord.Interaction[LikenessBot], page: int, _index: int) -> None:
    page = min(page, len(PAGES) - 1)
    files = await _pictures(interaction, page)
    await replace(interaction, tour_card(await language_of(interaction), page, *files), files)


async def _pictures(interaction: discord.Interaction[LikenessBot], page: int) -> list[discord.File]:
    """The toy selfies where it tells how to begin, and where it tells how to draw, what styles look like."""
    if PAGES[page] == "begin":
        return [discord.File(io.BytesIO(await asyncio.to_thread(strip)), "selfies.jpg")]
    if PAGES[page] != "imagine":
        return []
    app = interaction.client.app
    styles = await app.styles.of_guild(interaction.guild_id or 0)
    examples = [path for path in map(app.examples.picture, styles[:_EXAMPLES]) if path is not None]
    picture = await asyncio.to_thread(row_of, examples, "styles")
    return [picture] if picture is not None else []


async def setup(bot: LikenessBot) -> None:
    await bot.add_cog(Help())
