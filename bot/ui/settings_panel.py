"""The admins' panel. Like every card's, its controls work however old the panel is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self, get_args

import discord
from discord import ui

from bot.locales import LANGUAGES, t
from bot.services.refusal import Refusal
from bot.ui.buttons import CardButton
from bot.ui.look import Accent, card, rule
from bot.ui.replies import language_of, report
from data.settings import GuildSettings, Language

if TYPE_CHECKING:
    from bot.client import LikenessBot

FORM_SECONDS = 900.0

STEPS_LIMIT = 20_000
"""The most that a recipe allows."""


class LanguageSelect(ui.DynamicItem[ui.Select[Any]], template="setting:language"):
    """Whose language the bot speaks."""

    def __init__(self, locale: str, current: str) -> None:
        names = {"auto": t(locale, "settings.language_auto"), **LANGUAGES}
        options = [
            discord.SelectOption(label=names[code], value=code, default=code == current)
            for code in get_args(Language)
        ]
        super().__init__(ui.Select(custom_id="setting:language", options=options))

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls("en", "auto")

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await _guarded(interaction, language=self.item.values[0])


class SamplesSelect(ui.DynamicItem[ui.ChannelSelect[Any]], template="setting:samples"):
    """Where samples are shown; nothing chosen finds or creates `#prompts`."""

    def __init__(self, locale: str, current: int | None) -> None:
        kind = discord.SelectDefaultValueType.channel
        super().__init__(
            ui.ChannelSelect(
                custom_id="setting:samples",
                channel_types=[discord.ChannelType.text],
                placeholder=t(locale, "settings.samples_auto"),
                min_values=0,
                default_values=[discord.SelectDefaultValue(id=current, type=kind)] if current else [],
            )
        )

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls("en", None)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        chosen = self.item.values
        await _guarded(interaction, samples_channel_id=chosen[0].id if chosen else None)


class StepsForm(ui.Modal):
    """Asks for the most steps that a training may take."""

    def __init__(self, locale: str, current: int) -> None:
        super().__init__(title=t(locale, "settings.steps"), timeout=FORM_SECONDS)
        self.steps = ui.TextInput[Any](custom_id="steps", default=str(current), max_length=5)
        self.add_item(
            ui.Label(
                text=t(locale, "settings.steps"),
                description=t(locale, "settings.steps_help"),
                component=self.steps,
            )
        )

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        await change(interaction, max_steps=_steps(self.steps.value))

    async def on_error(  # type: ignore[override]  # discord.ui.Modal itself drops the base's third argument
        self, interaction: discord.Interaction[Any], error: Exception
    ) -> None:
        await report(interaction, error)


def settings_panel(locale: str, settings: GuildSettings) -> ui.LayoutView:
    """The settings of a guild, as they are now."""
    on = settings.train_enabled
    state = t(locale, "settings.training_on" if on else "settings.training_off")
    toggle = CardButton(
        "training",
        int(not on),
        label=t(locale, "button.switch_off" if on else "button.switch_on"),
        style=discord.ButtonStyle.secondary if on else discord.ButtonStyle.success,
    )
    steps = CardButton("maxsteps", 0, label=t(locale, "button.change"))
    return card(
        Accent.working,
        f"## {t(locale, 'settings.title')}",
        ui.Section(ui.TextDisplay[Any](f"**{t(locale, 'settings.training')}**\n{state}"), accessory=toggle),
        ui.Section(
            ui.TextDisplay[Any](f"**{t(locale, 'settings.steps')}**\n{settings.max_steps}"), accessory=steps
        ),
        rule(),
        f"**{t(locale, 'settings.samples')}**",
        ui.ActionRow[Any](SamplesSelect(locale, settings.samples_channel_id)),
        f"**{t(locale, 'settings.language')}**",
        ui.ActionRow[Any](LanguageSelect(locale, settings.language)),
    )


def admin_of(interaction: discord.Interaction[LikenessBot]) -> int:
    """The guild that this person manages, and nobody else may change. Raises Refusal.

    Discord's own permission setting only hides the command, so this is asked at every touch.
    """
    if interaction.guild_id is None:
        raise Refusal("guild_only")
    if not interaction.permissions.manage_guild:
        raise Refusal("not_admin")
    return interaction.guild_id


async def change(interaction: discord.Interaction[LikenessBot], **changes: object) -> None:
    """Write settings and show the panel as it is now. Raises Refusal."""
    settings = await interaction.client.app.settings.update(admin_of(interaction), **changes)
    await interaction.response.edit_message(view=settings_panel(await language_of(interaction), settings))


async def _guarded(interaction: discord.Interaction[LikenessBot], **changes: object) -> None:
    """`change`, for dynamic items, whose errors discord.py would only log."""
    try:
        await change(interaction, **changes)
    except Exception as error:
        await report(interaction, error)


def _steps(typed: str) -> int:
    if not typed.strip().isdecimal() or not 1 <= int(typed) <= STEPS_LIMIT:
        raise Refusal("bad_range", field="max_steps", low=1, high=STEPS_LIMIT)
    return int(typed)
