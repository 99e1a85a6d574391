"""`/publish`, and the buttons that publish or export a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands
from pydantic import SecretStr

from bot.rules import own_handover, own_model_or_message
from bot.services.refusal import Refusal
from bot.translator import options, text
from bot.ui.buttons import on_press
from bot.ui.forms import Answers, on_form
from bot.ui.gate import nth
from bot.ui.handover_cards import CHOICES, PublishForm, export_card, public_card
from bot.ui.replies import language_of, show

if TYPE_CHECKING:
    from bot.client import LikenessBot
    from data.models import Model


class Publish(commands.Cog):
    @app_commands.command(name=text("command.publish.name"), description=text("command.publish.description"))
    @options(model="option.publish_model", repository="option.publish_repository")
    @app_commands.guild_only()
    async def publish(
        self,
        interaction: discord.Interaction[LikenessBot],
        model: str = "",
        repository: app_commands.Range[str, 0, 139] = "",
    ) -> None:
        await _ask(interaction, await _picked(interaction, model), repository.strip())

    @publish.autocomplete("model")
    async def offer_models(
        self, interaction: discord.Interaction[LikenessBot], current: str
    ) -> list[app_commands.Choice[str]]:
        mine = await interaction.client.app.models.of_user(interaction.user.id, interaction.guild_id or 0)
        labels = {str(model.id): f"{model.title} · {model.trigger} · {model.id}" for model in mine}
        return [
            app_commands.Choice(name=label[:100], value=value)
            for value, label in labels.items()
            if current.casefold() in label.casefold()
        ][:25]


@on_press("publish", own_model_or_message)
async def publish(interaction: discord.Interaction[LikenessBot], model_id: int, _index: int) -> None:
    model = await interaction.client.app.owned.own(model_id, interaction.user.id)
    await _ask(interaction, model, "")


@on_form("publish", own_model_or_message)
async def send(
    interaction: discord.Interaction[LikenessBot], model_id: int, _index: int, answers: Answers
) -> None:
    """Publish a model; where everybody shall see it, that is asked once more."""
    await interaction.response.defer(ephemeral=True, thinking=True)
    app, token = interaction.client.app, answers.text("token").strip()
    model = await app.owned.own(model_id, interaction.user.id)
    handover = await app.publishing.publish(
        model_id,
        answers.text("repository").strip(),
        SecretStr(token) if token else None,
        public=answers.ticked("public"),
        keep_token=answers.ticked("keep"),
        user_id=interaction.user.id,
        locale=await language_of(interaction),
    )
    if handover.state == "asked":
        await show(interaction, public_card(handover, model))
    else:
        await app.handover_cards.follow(interaction, handover.id)


@on_press("public", own_handover)
async def public(interaction: discord.Interaction[LikenessBot], handover_id: int, yes: int) -> None:
    """The second answer: everybody may see it, or it is called off."""
    await interaction.response.defer()
    app = interaction.client.app
    if yes:
        await app.publishing.say_yes(handover_id, interaction.user.id)
    else:
        await app.publishing.cancel(handover_id, interaction.user.id)
    await app.handover_cards.follow(interaction, handover_id)


@on_press("stophandover", own_handover)
async def stop(interaction: discord.Interaction[LikenessBot], handover_id: int, _index: int) -> None:
    await interaction.response.defer()
    app = interaction.client.app
    await app.publishing.cancel(handover_id, interaction.user.id)
    await app.handover_cards.follow(interaction, handover_id)


@on_press("export", own_model_or_message)
async def export(interaction: discord.Interaction[LikenessBot], model_id: int, place: int) -> None:
    """Write a model as a file; place 0 asks which one first."""
    app, locale = interaction.client.app, await language_of(interaction)
    if place == 0:
        model = await app.owned.own(model_id, interaction.user.id)
        await show(interaction, export_card(locale, model))
        return
    format, half = nth(CHOICES, place - 1)
    await interaction.response.defer()
    handover = await app.publishing.export(model_id, format, half, user_id=interaction.user.id, locale=locale)
    await app.handover_cards.follow(interaction, handover.id)


async def _ask(interaction: discord.Interaction[LikenessBot], model: Model, repository: str) -> None:
    """Open the form that publishes a model."""
    app, locale, user_id = interaction.client.app, await language_of(interaction), interaction.user.id
    former = repository or await app.handovers.last_repository(model.id, user_id) or model.name
    form = PublishForm(locale, model, former, await app.publishing.keeps_token(user_id))
    await interaction.response.send_modal(form)


async def _picked(interaction: discord.Interaction[LikenessBot], chosen: str) -> Model:
    """The model of theirs that a person means, without a word their usual one. Raises Refusal."""
    app, user_id, guild_id = interaction.client.app, interaction.user.id, interaction.guild_id or 0
    if not chosen:
        usual = await app.models.default_of(user_id, guild_id)
        if usual is None:
            raise Refusal("nothing_to_publish")
        return usual
    for model in await app.models.of_user(user_id, guild_id):
        if model.is_called(chosen):
            return model
    raise Refusal("no_such_model")


async def setup(bot: LikenessBot) -> None:
    await bot.add_cog(Publish())
