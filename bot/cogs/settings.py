"""`/settings`: the admins' panel. Who may use it is checked again at every touch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.translator import text
from bot.ui.buttons import on_press
from bot.ui.replies import language_of, show
from bot.ui.settings_panel import StepsForm, admin_of, change, settings_panel

if TYPE_CHECKING:
    from bot.client import LikenessBot


class Settings(commands.Cog):
    @app_commands.command(
        name=text("command.settings.name"), description=text("command.settings.description")
    )
    @app_commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    async def settings(self, interaction: discord.Interaction[LikenessBot]) -> None:
        guild_id = admin_of(interaction)
        settings = await interaction.client.app.settings.get(guild_id)
        await show(interaction, settings_panel(await language_of(interaction), settings))


@on_press("training")
async def switch_training(interaction: discord.Interaction[LikenessBot], enabled: int, _index: int) -> None:
    await change(interaction, train_enabled=bool(enabled))


@on_press("maxsteps")
async def ask_steps(interaction: discord.Interaction[LikenessBot], _id: int, _index: int) -> None:
    settings = await interaction.client.app.settings.get(admin_of(interaction))
    await interaction.response.send_modal(StepsForm(await language_of(interaction), settings.max_steps))


async def setup(bot: LikenessBot) -> None:
    await bot.add_cog(Settings())
