"""`/models`: what I may draw with here, and what its owner can do with it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.channels import person_of
from bot.locales import t
from bot.rules import anybody, own_model, usable_model
from bot.services.refusal import Refusal
from bot.translator import text
from bot.ui.buttons import on_press
from bot.ui.forms import Answers, on_form
from bot.ui.look import Accent, note, quoted
from bot.ui.model_cards import PAGE, Shown, forget_card, model_card, models_card, rename_form
from bot.ui.pictures import files_of, thumbnail
from bot.ui.replies import language_of, replace, show

if TYPE_CHECKING:
    from bot.app import App
    from bot.client import LikenessBot
    from data.models import Model

_SAMPLES = 4


class Models(commands.Cog):
    @app_commands.command(name=text("command.models.name"), description=text("command.models.description"))
    @app_commands.guild_only()
    async def models(self, interaction: discord.Interaction[LikenessBot]) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        view, files = await _page(interaction, 0)
        await show(interaction, view, files)


@on_press("models", anybody)
async def turn_page(interaction: discord.Interaction[LikenessBot], page: int, _index: int) -> None:
    await interaction.response.defer()
    view, files = await _page(interaction, page)
    await replace(interaction, view, files)


@on_press("model", usable_model)
async def open_model(interaction: discord.Interaction[LikenessBot], model_id: int, _index: int) -> None:
    await interaction.response.defer()
    await _show_model(interaction, model_id)


@on_press("prefer", own_model)
async def prefer(interaction: discord.Interaction[LikenessBot], model_id: int, _index: int) -> None:
    await interaction.response.defer()
    await interaction.client.app.owned.prefer(model_id, interaction.user.id)
    await _show_model(interaction, model_id)


@on_press("sharemodel", own_model)
async def share_model(interaction: discord.Interaction[LikenessBot], model_id: int, shared: int) -> None:
    """Let the server draw with a model, or keep it private again, which nothing can forbid."""
    await interaction.response.defer()
    app = interaction.client.app
    if shared:
        await app.access.check("share", **person_of(interaction))
    await app.owned.share(model_id, interaction.user.id, bool(shared))
    await _show_model(interaction, model_id)


@on_press("renamemodel", own_model)
async def rename(interaction: discord.Interaction[LikenessBot], model_id: int, _index: int) -> None:
    app = interaction.client.app
    model = await app.owned.own(model_id, interaction.user.id)
    await interaction.response.send_modal(rename_form(await language_of(interaction), model))


@on_form("rename", own_model)
async def renamed(
    interaction: discord.Interaction[LikenessBot], model_id: int, _index: int, answers: Answers
) -> None:
    await interaction.response.defer()
    await interaction.client.app.owned.rename(model_id, interaction.user.id, answers.text("title"))
    await _show_model(interaction, model_id)


@on_press("forget", own_model)
async def forget(interaction: discord.Interaction[LikenessBot], model_id: int, confirmed: int) -> None:
    """Remove a model; the first press only asks."""
    app, locale = interaction.client.app, await language_of(interaction)
    if not confirmed:
        model = await app.owned.own(model_id, interaction.user.id)
        await show(interaction, forget_card(locale, model, len(await app.owned.drawings(model_id))))
        return
    await interaction.response.defer()
    model = await app.owned.delete(model_id, interaction.user.id)
    await replace(interaction, note(t(locale, "models.forgotten", name=quoted(model.title)), Accent.done))


async def _page(
    interaction: discord.Interaction[LikenessBot], page: int
) -> tuple[discord.ui.LayoutView, list[discord.File]]:
    app, locale = interaction.client.app, await language_of(interaction)
    models = await app.models.usable(interaction.user.id, interaction.guild_id or 0)
    pages = max(1, -(-len(models) // PAGE))
    page = min(page, pages - 1)  # models may have gone since the button was made
    shown = [await _shown(app, model) for model in models[page * PAGE : (page + 1) * PAGE]]
    view = models_card(locale, shown, interaction.user.id, page, pages)
    return view, [one.picture for one in shown if one.picture is not None]


async def _shown(app: App, model: Model) -> Shown:
    samples = await app.pictures.of_job(model.job_id)
    picture = await asyncio.to_thread(thumbnail, samples[0].path, f"model-{model.id}") if samples else None
    return Shown(model, picture)


async def _show_model(interaction: discord.Interaction[LikenessBot], model_id: int) -> None:
    app, locale = interaction.client.app, await language_of(interaction)
    model = await app.models.get(model_id)
    if model is None or not model.usable_by(interaction.user.id, interaction.guild_id or 0):
        raise Refusal("no_such_model")
    samples = [sample.path for sample in await app.pictures.of_job(model.job_id) if sample.path.is_file()]
    files = await asyncio.to_thread(files_of, samples[:_SAMPLES])
    publication = await app.publications.of_model(model_id)
    await replace(interaction, model_card(locale, model, files, interaction.user.id, publication), files)


async def setup(bot: LikenessBot) -> None:
    await bot.add_cog(Models())
