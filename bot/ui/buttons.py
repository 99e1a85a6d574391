"""Buttons that never die: their id says `verb:id:index`, everything else is looked up when pressed."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Self

import discord
from discord import ui

from bot.ui.gate import Registry, Rule

if TYPE_CHECKING:
    from bot.client import LikenessBot

Press = Callable[["discord.Interaction[LikenessBot]", int, int], Awaitable[None]]

PRESSES: Registry[Press] = Registry("old_button")


def on_press(verb: str, rule: Rule) -> Callable[[Press], Press]:
    """Name the function that a press of `verb:id:index` calls, once `rule` lets the person do it to `id`."""
    return PRESSES.register(verb, rule=rule)


class CardButton(
    ui.DynamicItem[ui.Button[Any]], template=r"(?P<verb>[a-z]+):(?P<id>[0-9]{1,18}):(?P<index>[0-9]{1,4})"
):
    """A button of any card, however old the card and whichever process posted it."""

    def __init__(
        self,
        verb: str,
        id: int,
        index: int = 0,
        *,
        label: str | None = None,
        emoji: str | None = None,
        style: discord.ButtonStyle = discord.ButtonStyle.secondary,
    ) -> None:
        custom_id = f"{verb}:{id}:{index}"
        super().__init__(ui.Button(label=label or verb, emoji=emoji, style=style, custom_id=custom_id))
        self.verb, self.target, self.index = verb, id, index

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(match["verb"], int(match["id"]), int(match["index"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await PRESSES.call(self.verb, interaction, self.target, self.target, self.index)
