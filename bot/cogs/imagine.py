"""`/imagine`: a prompt in, pictures out; and the buttons of the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.cards import post_card
from bot.channels import origin_of
from bot.locales import t
from bot.services.imagining import ME
from bot.services.refusal import Refusal
from bot.translator import text
from bot.ui.buttons import on_press
from bot.ui.look import Accent
from bot.ui.replies import answer, language_of
from inference.requests import MAX_PROMPT

if TYPE_CHECKING:
    from bot.client import LikenessBot

BASE = "base"
"""The `model` option's value for the model that nobody trained."""


class Imagine(commands.Cog):
    """The command; its result's buttons are the functions below."""

    @app_commands.command(name=text("command.imagine.name"), description=text("command.imagine.description"))
    @app_commands.describe(
        prompt=text("option.prompt.description"),
        count=text("option.count.description"),
        model=text("option.model.description"),
        negative=text("option.negative.description"),
        steps=text("option.draw_steps.description"),
        guidance=text("option.guidance.description"),
        seed=text("option.seed.description"),
    )
    @app_commands.guild_only()
    async def imagine(
        self,
        interaction: discord.Interaction[LikenessBot],
        prompt: app_commands.Range[str, 1, MAX_PROMPT],
        count: app_commands.Range[int, 1, 4] = 4,
        model: str = "",
        negative: app_commands.Range[str, 0, MAX_PROMPT] = "",
        steps: app_commands.Range[int, 1, 200] = 50,
        guidance: app_commands.Range[float, 0, 50] = 7.5,
        seed: app_commands.Range[int, 0, 2**32 - 1] | None = None,
    ) -> None:
        # At once: beside a checkpoint being written, even a small commit can take longer than Discord waits.
        await interaction.response.defer(ephemeral=True, thinking=True)
        origin = await origin_of(interaction)
        model_id = await _model_id(interaction, model)
        job = await interaction.client.app.imagining.submit(
            prompt,
            count=count,
            steps=steps,
            guidance=guidance,
            seed=seed,
            negative=negative,
            model_id=model_id,
            **origin,
        )
        await post_card(interaction.client.app, job, origin["channel_id"])
        if model_id is None and ME.search(prompt):
            await answer(interaction, t(origin["locale"], "draw.nobody"))
        else:
            await interaction.delete_original_response()

    @imagine.autocomplete("model")
    async def offer_models(
        self, interaction: discord.Interaction[LikenessBot], current: str
    ) -> list[app_commands.Choice[str]]:
        app, locale = interaction.client.app, await language_of(interaction)
        models = await app.models.of_user(interaction.user.id, interaction.guild_id or 0)
        labels = {
            str(model.id): t(locale, "model.mine", id=model.id, trigger=model.trigger) for model in models
        }
        labels[BASE] = t(locale, "model.base", base=app.config.base)
        typed = current.casefold()
        return [
            app_commands.Choice(name=label[:100], value=value)
            for value, label in labels.items()
            if typed in label.casefold()
        ][:25]


@on_press("again")
async def again(interaction: discord.Interaction[LikenessBot], job_id: int, _index: int) -> None:
    """The same request with a new seed; a person's model draws for its owner alone."""
    await interaction.response.defer(ephemeral=True, thinking=True)
    origin = await origin_of(interaction)
    job = await interaction.client.app.imagining.again(job_id, **origin)
    await post_card(interaction.client.app, job, origin["channel_id"])
    await interaction.delete_original_response()


@on_press("delete")
async def delete(interaction: discord.Interaction[LikenessBot], job_id: int, _index: int) -> None:
    """The pictures go, from the disk and from the channel."""
    await interaction.client.app.imagining.delete(job_id, interaction.user.id)
    await interaction.response.defer()
    await interaction.delete_original_response()
    await answer(interaction, t(await language_of(interaction), "draw.deleted"), Accent.done)


async def _model_id(interaction: discord.Interaction[LikenessBot], chosen: str) -> int | None:
    """The model that was picked: mine by number or name, `base`, or my newest when nothing was said."""
    models = interaction.client.app.models
    guild_id = interaction.guild_id or 0
    if not chosen:
        newest = await models.latest_of(interaction.user.id, guild_id)
        return newest.id if newest else None
    if chosen.casefold() == BASE:
        return None
    for model in await models.of_user(interaction.user.id, guild_id):
        if chosen.casefold() in (str(model.id), model.name.casefold(), model.trigger.casefold()):
            return model.id
    raise Refusal("no_such_model")


async def setup(bot: LikenessBot) -> None:
    await bot.add_cog(Imagine())
