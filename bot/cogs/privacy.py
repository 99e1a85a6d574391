"""`/privacy`: what is stored about me, to look at, to take along, to erase."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot.locales import has, t
from bot.rules import anybody
from bot.services.privacy import Summary
from bot.translator import text
from bot.ui.buttons import CardButton, on_press
from bot.ui.gate import nth
from bot.ui.look import Accent, bytes_of, card, note, rule
from bot.ui.replies import language_of, replace, show
from bot.ui.settings_panel import kept_pictures

if TYPE_CHECKING:
    from bot.client import LikenessBot

PHOTOS, EVERYTHING = 0, 1
"""What is erased, by the id that a button says; always of the person who presses it."""


class Privacy(commands.Cog):
    @app_commands.command(name=text("command.privacy.name"), description=text("command.privacy.description"))
    async def privacy(self, interaction: discord.Interaction[LikenessBot]) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        app, locale = interaction.client.app, await language_of(interaction)
        summary = await app.privacy.summary(interaction.user.id)
        kept = kept_pictures(locale, await app.settings.get(interaction.guild_id or 0))
        await show(interaction, _card(locale, summary, kept))


@on_press("download", anybody)
async def download(interaction: discord.Interaction[LikenessBot], _id: int, _index: int) -> None:
    """The archive, one message a part: each is as big as Discord allows."""
    await interaction.response.defer(ephemeral=True, thinking=True)
    locale = await language_of(interaction)
    downloads = interaction.client.app.downloads
    async with downloads.open(interaction.user.id, interaction.filesize_limit) as download:
        said = t(locale, "privacy.archive", n=len(download.contents))
        if download.left_out:
            said += "\n" + t(locale, "privacy.left_out", n=download.left_out)
        await show(interaction, note(said, Accent.done))
        async for part in download.parts():
            await interaction.followup.send(file=discord.File(part), ephemeral=True)


@on_press("erase", anybody)
async def erase(interaction: discord.Interaction[LikenessBot], what: int, confirmed: int) -> None:
    """Erase the photos, or everything; the first press only asks."""
    app, locale = interaction.client.app, await language_of(interaction)
    what = nth((PHOTOS, EVERYTHING), what)
    if not confirmed:
        await show(interaction, _ask(locale, what))
        return
    # A running training is stopped first, which takes a while.
    await interaction.response.defer()
    if what == PHOTOS:
        trainings, whole = await app.privacy.erase_photos(interaction.user.id)
        said = t(locale, "privacy.photos_gone" if whole else "privacy.photos_left", n=trainings)
    else:
        whole = await app.privacy.erase_person(interaction.user.id)
        said = t(locale, "privacy.all_gone" if whole else "privacy.files_left")
    await replace(interaction, note(said, Accent.done))


def _card(locale: str, summary: Summary, kept: str) -> ui.LayoutView:
    """`kept` is what the server where it is shown says about pictures."""
    lines = [
        t(locale, "privacy.models", n=summary.models.count, size=bytes_of(summary.models.size)),
        t(locale, "privacy.pictures", n=summary.pictures.count, size=bytes_of(summary.pictures.size)),
        t(locale, "privacy.photos", n=summary.photos.count, size=bytes_of(summary.photos.size)),
        t(locale, "privacy.jobs", n=summary.jobs.count),
    ]
    for name, count in summary.others.items():
        kind = t(locale, f"kept.{name}") if has(f"kept.{name}") else name
        lines.append(f"**{kind}** {count}")
    if kept:
        lines.append(f"{t(locale, 'privacy.kept_here')}\n{kept}")
    buttons: list[CardButton] = [
        CardButton("download", 0, label=t(locale, "button.download"), emoji="📥"),
        CardButton("models", 0, label=t(locale, "button.one_model")),
        CardButton("erase", PHOTOS, label=t(locale, "button.erase_photos")),
        CardButton(
            "erase", EVERYTHING, label=t(locale, "button.erase_all"), style=discord.ButtonStyle.danger
        ),
    ]
    return card(
        Accent.working,
        f"## {t(locale, 'privacy.title')}\n{t(locale, 'privacy.intro')}",
        rule(),
        "\n".join(lines),
        ui.ActionRow[Any](*buttons),
    )


def _ask(locale: str, what: int) -> ui.LayoutView:
    said = t(locale, "privacy.ask_photos" if what == PHOTOS else "privacy.ask_all")
    label = t(locale, "button.delete_forever")
    sure = CardButton("erase", what, 1, label=label, style=discord.ButtonStyle.danger)
    return card(Accent.failed, said, ui.ActionRow[Any](sure))


async def setup(bot: LikenessBot) -> None:
    await bot.add_cog(Privacy())
