"""`/prompts`, and the buttons of shared prompts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot.asking import ask_here, deliver
from bot.channels import may_read
from bot.rules import guild_of, may_see, member, own_search, shared_card
from bot.services.refusal import Refusal
from bot.showcase import render, thumbnails
from bot.translator import options, text
from bot.ui.buttons import on_press
from bot.ui.gallery_card import page_card
from bot.ui.replies import language_of
from data.gallery import Order

if TYPE_CHECKING:
    from bot.client import LikenessBot


class Prompts(commands.Cog):
    prompts = app_commands.Group(
        name=text("command.prompts.name"),
        description=text("command.prompts.description"),
        guild_only=True,
    )

    @prompts.command(
        name=text("command.prompts_top.name"), description=text("command.prompts_top.description")
    )
    async def top(self, interaction: discord.Interaction[LikenessBot]) -> None:
        await _open(interaction, Order.top)

    @prompts.command(
        name=text("command.prompts_new.name"), description=text("command.prompts_new.description")
    )
    async def new(self, interaction: discord.Interaction[LikenessBot]) -> None:
        await _open(interaction, Order.new)

    @prompts.command(
        name=text("command.prompts_mine.name"), description=text("command.prompts_mine.description")
    )
    async def mine(self, interaction: discord.Interaction[LikenessBot]) -> None:
        await _open(interaction, Order.mine)

    @prompts.command(
        name=text("command.prompts_search.name"), description=text("command.prompts_search.description")
    )
    @options(words="option.words")
    async def search(
        self, interaction: discord.Interaction[LikenessBot], words: app_commands.Range[str, 1, 100]
    ) -> None:
        await _open(interaction, Order.search, words)


@on_press("promptstop", member)
async def turn_top(interaction: discord.Interaction[LikenessBot], number: int, _index: int) -> None:
    await _turn(interaction, Order.top, number)


@on_press("promptsnew", member)
async def turn_new(interaction: discord.Interaction[LikenessBot], number: int, _index: int) -> None:
    await _turn(interaction, Order.new, number)


@on_press("promptsmine", member)
async def turn_mine(interaction: discord.Interaction[LikenessBot], number: int, _index: int) -> None:
    await _turn(interaction, Order.mine, number)


@on_press("promptssearch", own_search)
async def turn_search(interaction: discord.Interaction[LikenessBot], search_id: int, number: int) -> None:
    await _turn(interaction, Order.search, number, search_id)


@on_press("works", shared_card)
async def works(interaction: discord.Interaction[LikenessBot], shared_id: int, _index: int) -> None:
    """This prompt works; once more takes it back."""
    await _vote(interaction, shared_id, True)


@on_press("fails", shared_card)
async def fails(interaction: discord.Interaction[LikenessBot], shared_id: int, _index: int) -> None:
    """This prompt doesn't work; once more takes it back."""
    await _vote(interaction, shared_id, False)


@on_press("tryon", shared_card)
async def try_on(interaction: discord.Interaction[LikenessBot], shared_id: int, _index: int) -> None:
    """The same prompt and settings, with the presser's own model."""
    await interaction.response.defer(ephemeral=True, thinking=True)
    app, ask = interaction.client.app, await ask_here(interaction)
    shared = await app.gallery.get(shared_id, ask.origin["guild_id"])
    job = await app.redrawing.try_on(shared, asker=ask.asker, **ask.origin)
    await deliver(interaction, job, ask)


async def _open(interaction: discord.Interaction[LikenessBot], order: Order, words: str = "") -> None:
    await interaction.response.defer(ephemeral=True, thinking=True)
    search_id = 0
    if order is Order.search:
        gallery = interaction.client.app.gallery
        search_id = await gallery.search(guild_of(interaction), interaction.user.id, words)
    await _show(interaction, order, 0, search_id)


async def _turn(
    interaction: discord.Interaction[LikenessBot], order: Order, number: int, search_id: int = 0
) -> None:
    await interaction.response.defer()
    await _show(interaction, order, number, search_id)


async def _show(
    interaction: discord.Interaction[LikenessBot], order: Order, number: int, search_id: int
) -> None:
    """Put a page into the answer that was begun."""
    app, guild_id, user_id = interaction.client.app, guild_of(interaction), interaction.user.id
    words = await app.gallery.searched(search_id, guild_id, user_id) if order is Order.search else ""
    # What somebody may not read is not even counted: how many were found says what is in it.
    readable = [one for one in await app.gallery.channels(guild_id) if may_read(interaction, one)]
    page = await app.gallery.page(guild_id, order, number, readable, user_id=user_id, words=words)
    shown = [entry for entry in page.entries if may_see(interaction, entry.shared.channel_id)]
    files = await thumbnails(shown)
    view: ui.LayoutView = page_card(
        await language_of(interaction),
        order,
        replace(page, entries=tuple(shown)),
        files,
        words=words,
        search_id=search_id,
        hidden=len(page.entries) - len(shown),
    )
    await interaction.edit_original_response(view=view, attachments=list(files.values()))


async def _vote(interaction: discord.Interaction[LikenessBot], shared_id: int, works: bool) -> None:
    app, message = interaction.client.app, interaction.message
    if message is None:
        raise Refusal("no_such_card")
    shared = await app.gallery.vote(shared_id, interaction.user.id, guild_of(interaction), works)
    # The message keeps its pictures; only what stands around them is drawn anew.
    media = [f"attachment://{attachment.filename}" for attachment in message.attachments]
    await interaction.response.edit_message(view=await render(app, shared, media))


async def setup(bot: LikenessBot) -> None:
    await bot.add_cog(Prompts())
