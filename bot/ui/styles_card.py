"""The list of `/styles`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import discord
from discord import ui

from bot.locales import has, t
from bot.services.styles import Style
from bot.ui.buttons import CardButton
from bot.ui.look import Accent, card, quoted

PAGE = 6


def style_title(locale: str, style: Style) -> str:
    """What a person calls a style: built-in ones have a name in their language."""
    key = f"style.{style.name.replace('-', '_')}"
    return style.name if style.own or not has(key) else t(locale, key)


def styles_card(
    locale: str, styles: Sequence[Style], page: int, examples: Mapping[str, discord.File]
) -> ui.LayoutView:
    """Page `page` (from 0) of all styles; `examples` by the names of those that have a picture."""
    items: list[ui.Item[Any] | str] = [f"## {t(locale, 'styles.title')}\n{t(locale, 'styles.help')}"]
    for style in styles[page * PAGE : (page + 1) * PAGE]:
        title = f"**{quoted(style_title(locale, style))}** · `style:{style.name}`"
        about = f"{title}\n-# {quoted(style.template, 300)}"
        file = examples.get(style.name)
        if file is None:
            items.append(f"{about}\n-# {t(locale, 'styles.drawing')}")
            continue
        picture = ui.Thumbnail[Any](file, description=t(locale, "styles.alt", name=style.name))
        items.append(ui.Section(ui.TextDisplay[Any](about), accessory=picture))
    turns = [
        CardButton("styles", number, label=t(locale, key))
        for key, number, there in (
            ("button.previous", page - 1, page > 0),
            ("button.refresh", page, True),
            ("button.next", page + 1, (page + 1) * PAGE < len(styles)),
        )
        if there
    ]
    return card(Accent.working, *items, ui.ActionRow[Any](*turns))
