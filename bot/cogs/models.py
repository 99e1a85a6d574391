"""`/models`: what I have trained here, and how to be rid of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.locales import t
from bot.services.refusal import Refusal
from bot.translator import text
from bot.ui.buttons import on_press
from bot.ui.lists import forget_card, models_card
from bot.ui.look import Accent, note
from bot.ui.replies import language_of, show

if TYPE_CHECKING:
    from bot.client import LikenessBot


class Models(commands.Cog):
    @app_commands.command(name=text("command.models.name"), description=text("command.models.description"))
    @app_commands.guild_only()
    async def models(self, interaction: discord.Interaction[LikenessBot]) -> None:
        models = await interaction.client.app.models.of_user(interaction.user.id, interaction.guild_id or 0)
        await show(interaction, models_card(await language_of(interaction), models))


@on_press("forget")
async def forget(interaction: discord.Interaction[LikenessBot], model_id: int, confirmed: int) -> None:
    """Remove a model; the first press only asks."""
    app, locale = interaction.client.app, await language_of(interaction)
    if not confirmed:
        model = await app.models.get(model_id)
        if model is None:
            raise Refusal("no_such_model")
        await show(interaction, forget_card(locale, model))
        return
    model = await app.training.delete_model(model_id, interaction.user.id)
    done = note(t(locale, "models.forgotten", name=model.name), Accent.done)
    await interaction.response.edit_message(view=done)


async def setup(bot: LikenessBot) -> None:
    await bot.add_cog(Models())
