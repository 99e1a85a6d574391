"""The cards of `/help`: a tour with pages, and one card for each command."""

from __future__ import annotations

from typing import Any

import discord
from discord import ui

from bot.locales import t
from bot.ui.buttons import CardButton
from bot.ui.look import Accent, card, rule

PAGES = ("begin", "imagine", "share", "rules", "privacy", "commands", "admins")
"""The tour, in order; a button's id says which page it opens."""

_ALT = {"begin": "help.alt", "imagine": "help.styles_alt"}
"""What the pictures of those pages show that have one."""

COMMANDS = (
    "train",
    "imagine",
    "models",
    "queue",
    "cancel",
    "status",
    "prompts",
    "styles",
    "publish",
    "endpoint",
    "privacy",
    "settings",
    "help",
)


def tour_card(locale: str, page: int, picture: discord.File | None = None) -> ui.LayoutView:
    """One page of the tour, with its picture where it has one."""
    name = PAGES[page]
    items: list[ui.Item[Any] | str] = [f"## {t(locale, f'help.{name}_title')}\n{t(locale, f'help.{name}')}"]
    if picture is not None:
        gallery = ui.MediaGallery[Any]()
        items.insert(1, gallery.add_item(media=picture, description=t(locale, _ALT[name])))
    if name == "commands":
        items.append("\n".join(f"`/{command}` {t(locale, f'brief.{command}')}" for command in COMMANDS))
    return card(Accent.working, *items, rule(), *_pages(locale, page))


def command_card(locale: str, command: str) -> ui.LayoutView:
    """What one command does and how."""
    return card(
        Accent.working,
        f"## /{command}\n{t(locale, f'brief.{command}')}",
        rule(),
        t(locale, f"manual.{command}"),
        ui.ActionRow[Any](CardButton("help", 0, label=t(locale, "button.tour"))),
    )


def _pages(locale: str, page: int) -> list[ui.Item[Any]]:
    buttons = [
        CardButton(
            "help",
            number,
            label=t(locale, f"help.{name}_tab"),
            style=discord.ButtonStyle.primary if number == page else discord.ButtonStyle.secondary,
        )
        for number, name in enumerate(PAGES)
    ]
    return [ui.ActionRow[Any](*buttons[:4]), ui.ActionRow[Any](*buttons[4:])]
