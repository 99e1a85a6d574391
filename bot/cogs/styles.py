"""`/styles`: templates for prompts, each with a picture of what it does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.locales import t
from bot.rules import admins_guild, member
from bot.translator import options, text
from bot.ui.buttons import on_press
from bot.ui.look import Accent, quoted
from bot.ui.pictures import thumbnails_of
from bot.ui.replies import answer, language_of
from bot.ui.styles_card import PAGE, styles_card

if TYPE_CHECKING:
    from bot.client import LikenessBot


class Styles(commands.Cog):
    styles = app_commands.Group(
        name=text("command.styles.name"), description=text("command.styles.description"), guild_only=True
    )

    @styles.command(
        name=text("command.styles_list.name"), description=text("command.styles_list.description")
    )
    async def overview(self, interaction: discord.Interaction[LikenessBot]) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        await _show(interaction, 0)

    @styles.command(name=text("command.styles_add.name"), description=text("command.styles_add.description"))
    @options(name="option.style_name", template="option.template")
    async def add(self, interaction: discord.Interaction[LikenessBot], name: str, template: str) -> None:
        guild_id = admins_guild(interaction)
        style = await interaction.client.app.styles.add(guild_id, name, template)
        said = t(
            await language_of(interaction), "styles.added", name=style.name, template=quoted(style.template)
        )
        await answer(interaction, said, Accent.done)

    @styles.command(
        name=text("command.styles_remove.name"), description=text("command.styles_remove.description")
    )
    @options(name="option.style_name")
    async def remove(self, interaction: discord.Interaction[LikenessBot], name: str) -> None:
        await interaction.client.app.styles.remove(admins_guild(interaction), name)
        said = t(await language_of(interaction), "styles.removed", name=quoted(name, 40))
        await answer(interaction, said, Accent.done)

    @remove.autocomplete("name")
    async def offer_own(
        self, interaction: discord.Interaction[LikenessBot], current: str
    ) -> list[app_commands.Choice[str]]:
        styles = await interaction.client.app.styles.of_guild(interaction.guild_id or 0)
        return [
            app_commands.Choice(name=style.name, value=style.name)
            for style in styles
            if style.own and current.casefold() in style.name
        ]


@on_press("styles", member)
async def turn(interaction: discord.Interaction[LikenessBot], page: int, _index: int) -> None:
    await interaction.response.defer()
    await _show(interaction, page)


async def _show(interaction: discord.Interaction[LikenessBot], page: int) -> None:
    """Put a page of the styles into the answer that was begun; what has no picture yet gets one later."""
    app = interaction.client.app
    styles = await app.styles.of_guild(interaction.guild_id or 0)
    page = min(page, (len(styles) - 1) // PAGE)
    pictures = {style.name: app.examples.picture(style) for style in styles[page * PAGE : (page + 1) * PAGE]}
    there = {name: path for name, path in pictures.items() if path is not None}
    files = await asyncio.to_thread(thumbnails_of, there)
    view = styles_card(await language_of(interaction), styles, page, files)
    await interaction.edit_original_response(view=view, attachments=[*files.values()])


async def setup(bot: LikenessBot) -> None:
    await bot.add_cog(Styles())
