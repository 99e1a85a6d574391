"""`/settings`: the admins' panel. Who may use it is checked again at every touch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.rules import admin, admins_guild
from bot.services.refusal import Refusal
from bot.services.wish import check_bases
from bot.translator import text
from bot.ui.buttons import on_press
from bot.ui.forms import Answers, on_form
from bot.ui.gate import nth, one_of, only
from bot.ui.replies import language_of, replace, show
from bot.ui.selects import on_choice
from bot.ui.settings_forms import (
    FORMS,
    SECTION_OF_FORM,
    WordsForm,
    numbers_form,
    role_form,
    typed_quota,
    typed_settings,
)
from bot.ui.settings_panel import CHANNELS, OPTIONS, ROLES, SECTION_OF, SECTIONS, SWITCHES, settings_panel
from data.settings import RoleQuota

if TYPE_CHECKING:
    from bot.client import LikenessBot


class Settings(commands.Cog):
    @app_commands.command(
        name=text("command.settings.name"), description=text("command.settings.description")
    )
    @app_commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    async def settings(self, interaction: discord.Interaction[LikenessBot]) -> None:
        settings = await interaction.client.app.settings.get(admins_guild(interaction))
        locale = await language_of(interaction)
        await show(interaction, settings_panel(locale, settings, SECTIONS[0], interaction.guild))


@on_choice("section", rule=admin)
async def open_section(interaction: discord.Interaction[LikenessBot], _name: str, values: list[Any]) -> None:
    await _change(interaction, one_of(SECTIONS, only(values)))


@on_choice(*CHANNELS, rule=admin)
async def choose_channel(interaction: discord.Interaction[LikenessBot], name: str, values: list[Any]) -> None:
    await _change(interaction, "channels", **{f"{name}_channel_id": values[0] if values else None})


@on_choice(*(f"{name}_roles" for name in ROLES), rule=admin)
async def choose_roles(interaction: discord.Interaction[LikenessBot], name: str, values: list[Any]) -> None:
    await _change(interaction, "people", **{name: tuple(values)})


@on_choice(*OPTIONS, rule=admin)
async def choose_option(interaction: discord.Interaction[LikenessBot], name: str, values: list[Any]) -> None:
    several = name in ("bases", "backends")
    chosen = tuple(one_of(OPTIONS[name], value) for value in values)
    if name == "bases":
        offered = (await interaction.client.app.settings.get(admins_guild(interaction))).bases
        await interaction.response.defer()  # the Hub may have to be asked
        await check_bases(base for base in chosen if base not in offered)
    await _change(interaction, SECTION_OF[name], **{name: chosen if several else only(chosen)})


@on_choice("quota", rule=admin)
async def choose_quota_role(
    interaction: discord.Interaction[LikenessBot], _name: str, values: list[Any]
) -> None:
    """Ask what the people of a role may do; three empty fields take its quota away again."""
    if not values:
        await _change(interaction, "quotas")
        return
    role_id: int = values[0]
    app, guild = interaction.client.app, interaction.guild
    quotas = (await app.settings.get(admins_guild(interaction))).role_quotas
    role = guild.get_role(role_id) if guild else None
    name = role.name if role else str(role_id)
    form = role_form(await language_of(interaction), role_id, name, quotas.get(role_id, RoleQuota()))
    await interaction.response.send_modal(form)


@on_form("quota", admin)
async def change_quota(
    interaction: discord.Interaction[LikenessBot], role_id: int, _index: int, answers: Answers
) -> None:
    quota = typed_quota(await language_of(interaction), answers)
    now = dict((await interaction.client.app.settings.get(admins_guild(interaction))).role_quotas)
    now.pop(role_id, None)
    if quota != RoleQuota():
        now[role_id] = quota
    await _change(interaction, "quotas", role_quotas=now)


@on_press("switch", admin)
async def switch(interaction: discord.Interaction[LikenessBot], which: int, on: int) -> None:
    name = nth(SWITCHES, which)
    await _change(interaction, SECTION_OF[name], **{name: bool(on)})


@on_press("setting", admin)
async def ask(interaction: discord.Interaction[LikenessBot], which: int, _index: int) -> None:
    """Open one of the panel's forms."""
    name = nth(FORMS, which)
    settings = await interaction.client.app.settings.get(admins_guild(interaction))
    locale = await language_of(interaction)
    words = name == "words"
    form = WordsForm(locale, settings.words) if words else numbers_form(locale, name, settings)
    await interaction.response.send_modal(form)


@on_form("setting", admin)
async def change(
    interaction: discord.Interaction[LikenessBot], which: int, _index: int, answers: Answers
) -> None:
    """Take what was typed into one of the panel's forms."""
    name = nth(FORMS, which)
    typed = typed_settings(await language_of(interaction), name, answers)
    await _change(interaction, SECTION_OF_FORM.get(name, name), **typed)


async def _change(interaction: discord.Interaction[LikenessBot], section: str, **changes: object) -> None:
    """Write settings and show the section as it is now. Raises Refusal."""
    app, guild_id = interaction.client.app, admins_guild(interaction)
    if not interaction.response.is_done():
        await interaction.response.defer()
    try:
        settings = await app.settings.update(guild_id, **changes)
    except ValueError as error:  # each number is fine by itself, but not beside the others
        raise Refusal("contradiction") from error
    locale = await language_of(interaction)
    await replace(interaction, settings_panel(locale, settings, section, interaction.guild))


async def setup(bot: LikenessBot) -> None:
    await bot.add_cog(Settings())
