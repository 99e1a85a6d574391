"""`/help`: the tour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.translator import text
from bot.ui.lists import help_card
from bot.ui.replies import language_of, show

if TYPE_CHECKING:
    from bot.client import LikenessBot


class Help(commands.Cog):
    @app_commands.command(name=text("command.help.name"), description=text("command.help.description"))
    async def help(self, interaction: discord.Interaction[LikenessBot]) -> None:
        await show(interaction, help_card(await language_of(interaction)))


async def setup(bot: LikenessBot) -> None:
    await bot.add_cog(Help())
