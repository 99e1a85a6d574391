"""`/imagine`: a prompt in, pictures out. The buttons of the result are in `bot.cogs.results`."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import discord
from discord import app_commands
from discord.ext import commands

from bot.asking import Ask, ask_here, deliver
from bot.locales import t
from bot.services.imagining import BASE
from bot.services.wording import ME
from bot.translator import options, text
from bot.ui.replies import language_of
from bot.ui.styles_card import style_title
from data.jobs import Lane
from data.settings import Backend, Size

if TYPE_CHECKING:
    from bot.client import LikenessBot

SIZES: tuple[Size, ...] = get_args(Size)
BACKENDS: tuple[Backend, ...] = get_args(Backend)


def _choices(table: str, values: tuple[str, ...]) -> list[app_commands.Choice[str]]:
    return [app_commands.Choice(name=text(f"{table}.{value}"), value=value) for value in values]


class Imagine(commands.Cog):
    @app_commands.command(name=text("command.imagine.name"), description=text("command.imagine.description"))
    @options(
        prompt="option.prompt",
        model="option.model",
        style="option.style",
        negative="option.negative",
        count="option.count",
        size="option.size",
        steps="option.draw_steps",
        guidance="option.guidance",
        seed="option.seed",
        backend="option.backend",
        private="option.private",
    )
    @app_commands.choices(size=_choices("size", SIZES), backend=_choices("backend", BACKENDS))
    @app_commands.guild_only()
    async def imagine(
        self,
        interaction: discord.Interaction[LikenessBot],
        prompt: str,
        model: str = "",
        style: str = "",
        negative: str = "",
        count: app_commands.Range[int, 1, 4] | None = None,
        size: str = "",
        steps: app_commands.Range[int, 1, 200] | None = None,
        guidance: app_commands.Range[float, 0, 50] | None = None,
        seed: app_commands.Range[int, 0, 2**32 - 1] | None = None,
        backend: str = "",
        private: bool = False,
    ) -> None:
        # At once: beside a checkpoint being written, even a small commit can take longer than Discord waits.
        await interaction.response.defer(ephemeral=True, thinking=True)
        app = interaction.client.app
        origin, asker = await ask_here(interaction, private=private)
        model_id, base = await app.imagining.pick(model, origin["user_id"], origin["guild_id"])
        job = await app.imagining.submit(
            prompt,
            count=count,
            steps=steps,
            guidance=guidance,
            seed=seed,
            negative=negative,
            size=next((one for one in SIZES if one == size), None),
            model_id=model_id,
            base=base,
            style=style or None,
            backend=next((one for one in BACKENDS if one == backend), None),
            private=private,
            asker=asker,
            **origin,
        )
        notes = []
        if model_id is None and job.lane is Lane.gpu and ME.search(prompt):
            notes.append(t(origin["locale"], "draw.nobody"))
        await deliver(interaction, job, Ask(origin, asker), notes)

    @imagine.autocomplete("model")
    async def offer_models(
        self, interaction: discord.Interaction[LikenessBot], current: str
    ) -> list[app_commands.Choice[str]]:
        app, locale = interaction.client.app, await language_of(interaction)
        guild_id, user_id = interaction.guild_id or 0, interaction.user.id
        labels = {}
        for model in await app.models.usable(user_id, guild_id):
            key = "model.mine" if model.owner_id == user_id else "model.shared"
            named = model.trigger if model.title == model.name else f"{model.title}: {model.trigger}"
            labels[str(model.id)] = t(locale, key, id=model.id, name=named)
        first, *others = await app.imagining.bases(guild_id)
        labels[BASE] = t(locale, "model.base", base=first)
        labels |= {base: t(locale, "model.base", base=base) for base in others}
        return _matching(labels, current)

    @imagine.autocomplete("style")
    async def offer_styles(
        self, interaction: discord.Interaction[LikenessBot], current: str
    ) -> list[app_commands.Choice[str]]:
        locale = await language_of(interaction)
        styles = await interaction.client.app.styles.of_guild(interaction.guild_id or 0)
        return _matching({style.name: style_title(locale, style) for style in styles}, current)


def _matching(labels: dict[str, str], typed: str) -> list[app_commands.Choice[str]]:
    """The choices, value to label, that hold what was typed; Discord shows at most 25."""
    wanted = typed.casefold()
    return [
        app_commands.Choice(name=label[:100], value=value)
        for value, label in labels.items()
        if wanted in label.casefold() or wanted in value
    ][:25]


async def setup(bot: LikenessBot) -> None:
    await bot.add_cog(Imagine())
