"""The buttons under a drawing: what draws more of it, and what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord

from bot.asking import ask_of, deliver
from bot.locales import t
from bot.rules import drawing, own_drawing, own_or_moderated_drawing
from bot.services.draw_payload import DrawPayload
from bot.services.refusal import Refusal
from bot.showcase import gallery_channel, post_shared
from bot.ui.buttons import on_press
from bot.ui.draw_card import choose_card, details_card
from bot.ui.draw_form import EditForm
from bot.ui.forms import Answers, on_form
from bot.ui.look import Accent
from bot.ui.replies import answer, language_of, show

if TYPE_CHECKING:
    from bot.client import LikenessBot


@on_press("again", drawing)
async def again(interaction: discord.Interaction[LikenessBot], job_id: int, _index: int) -> None:
    """The same once more, with the seeds that follow."""
    await interaction.response.defer(ephemeral=True, thinking=True)
    ask = await ask_of(interaction, job_id)
    job = await interaction.client.app.redrawing.again(job_id, asker=ask.asker, **ask.origin)
    await deliver(interaction, job, ask)


@on_press("newseed", drawing)
async def new_seed(interaction: discord.Interaction[LikenessBot], job_id: int, _index: int) -> None:
    """The same once more, with a seed of chance."""
    await interaction.response.defer(ephemeral=True, thinking=True)
    ask = await ask_of(interaction, job_id)
    job = await interaction.client.app.redrawing.again(job_id, new_seed=True, asker=ask.asker, **ask.origin)
    await deliver(interaction, job, ask)


@on_press("edit", drawing)
async def edit(interaction: discord.Interaction[LikenessBot], job_id: int, _index: int) -> None:
    """Ask for other words, with those of the drawing in the form."""
    ask = await ask_of(interaction, job_id)
    _, asked = await interaction.client.app.redrawing.original(job_id, ask.origin)
    await interaction.response.send_modal(EditForm(ask.origin["locale"], job_id, asked))


@on_form("edit", drawing)
async def edited(
    interaction: discord.Interaction[LikenessBot], job_id: int, _index: int, answers: Answers
) -> None:
    """Draw the other words."""
    await interaction.response.defer(ephemeral=True, thinking=True)
    ask = await ask_of(interaction, job_id)
    prompt, negative = answers.text("prompt"), answers.text("negative")
    redrawing = interaction.client.app.redrawing
    job = await redrawing.edit(job_id, prompt, negative, asker=ask.asker, **ask.origin)
    await deliver(interaction, job, ask)


@on_press("vary", drawing)
async def vary(interaction: discord.Interaction[LikenessBot], job_id: int, index: int) -> None:
    """More pictures like this one."""
    await interaction.response.defer(ephemeral=True, thinking=True)
    ask = await ask_of(interaction, job_id)
    job = await interaction.client.app.redrawing.vary(job_id, index, asker=ask.asker, **ask.origin)
    await deliver(interaction, job, ask)


@on_press("upscale", drawing)
async def upscale(interaction: discord.Interaction[LikenessBot], job_id: int, index: int) -> None:
    """This picture at twice its size."""
    await interaction.response.defer(ephemeral=True, thinking=True)
    ask = await ask_of(interaction, job_id)
    job = await interaction.client.app.redrawing.upscale(job_id, index, asker=ask.asker, **ask.origin)
    await deliver(interaction, job, ask)


@on_press("details", drawing)
async def details(interaction: discord.Interaction[LikenessBot], job_id: int, _index: int) -> None:
    """Everything that made a drawing, for whoever presses."""
    app, locale = interaction.client.app, await language_of(interaction)
    job = await app.jobs.get(job_id)
    if job is None:  # erased meanwhile
        raise Refusal("no_such_job")
    model = await app.models.get(job.model_id) if job.model_id else None
    pictures = await app.pictures.of_job(job_id)
    await show(interaction, details_card(locale, job, DrawPayload.of(job), pictures, model))


@on_press("share", own_drawing)
async def share(interaction: discord.Interaction[LikenessBot], job_id: int, number: int) -> None:
    """Show a picture in the gallery: `number` counts from 1, 0 asks which when there are several."""
    await interaction.response.defer(ephemeral=True, thinking=True)
    app, locale = interaction.client.app, await language_of(interaction)
    ask = await ask_of(interaction, job_id)
    job, _ = await app.redrawing.original(job_id, ask.origin)
    pictures = await app.pictures.of_job(job_id)
    if not pictures:
        raise Refusal("picture_expired" if await app.pictures.expired(job_id) else "picture_gone")
    if number == 0 and len(pictures) > 1:
        await show(interaction, choose_card(locale, job_id, pictures))
        return
    channel = await gallery_channel(app, job.guild_id)
    if channel is None:
        raise Refusal("nowhere_to_share")
    index = pictures[0].idx if number == 0 else number - 1
    shared = await app.gallery.share(
        job_id, index, interaction.user.id, ask.asker, age_restricted=channel.is_nsfw()
    )
    url = await post_shared(app, shared, channel)
    await answer(interaction, t(locale, "gallery.shared", url=url), Accent.done)


@on_press("delete", own_or_moderated_drawing)
async def delete(interaction: discord.Interaction[LikenessBot], job_id: int, _index: int) -> None:
    """The pictures go, from the disk, from this channel and from the gallery."""
    app = interaction.client.app
    await interaction.response.defer(ephemeral=True, thinking=True)
    await app.imagining.delete(job_id)
    app.janitor.wake()
    await answer(interaction, t(await language_of(interaction), "draw.deleted"), Accent.done)


async def setup(bot: LikenessBot) -> None:
    """The buttons are there once this module is."""
