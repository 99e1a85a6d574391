"""Menus that never die, as `CardButton` does: the id says what is chosen, the rest is looked up when used."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

import discord
from discord import ui

from bot.services.refusal import Refusal
from bot.ui.gate import Registry, Rule
from bot.ui.replies import report

if TYPE_CHECKING:
    from bot.client import LikenessBot

Choose = Callable[["discord.Interaction[LikenessBot]", str, list[Any]], Awaitable[None]]
"""Called with the name of the menu and what was chosen: texts, or ids of channels or roles."""

CHOICES: Registry[Choose] = Registry("old_button")


def on_choice(*names: str, rule: Rule) -> Callable[[Choose], Choose]:
    """Name the function that a choice in any of these menus calls, once `rule` lets the person choose."""
    return CHOICES.register(*names, rule=rule)


async def _chosen(interaction: discord.Interaction[Any], name: str, found: list[Any]) -> None:
    """`found` are the channels or roles that were chosen."""
    if any(isinstance(one, str) for one in found):  # an id that nothing on this server has
        await report(interaction, Refusal("old_button"))
        return
    await CHOICES.call(name, interaction, 0, name, [one.id for one in found])


class CardSelect(ui.DynamicItem[ui.Select[Any]], template=r"choose:(?P<name>[a-z_]+)"):
    """A menu of given options."""

    def __init__(
        self,
        name: str,
        options: Sequence[discord.SelectOption] = (),
        *,
        most: int = 1,
        least: int = 1,
        placeholder: str | None = None,
    ) -> None:
        super().__init__(
            ui.Select(
                custom_id=f"choose:{name}",
                options=list(options),
                min_values=least,
                max_values=most,
                placeholder=placeholder,
            )
        )
        self.name = name

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(match["name"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await CHOICES.call(self.name, interaction, 0, self.name, list(self.item.values))


class CardChannelSelect(ui.DynamicItem[ui.ChannelSelect[Any]], template=r"channel:(?P<name>[a-z_]+)"):
    """A menu of the guild's text channels; choosing none is a choice too."""

    def __init__(self, name: str, current: int | None = None, placeholder: str | None = None) -> None:
        kind = discord.SelectDefaultValueType.channel
        super().__init__(
            ui.ChannelSelect(
                custom_id=f"channel:{name}",
                channel_types=[discord.ChannelType.text],
                placeholder=placeholder,
                min_values=0,
                default_values=[discord.SelectDefaultValue(id=current, type=kind)] if current else [],
            )
        )
        self.name = name

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(match["name"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await _chosen(interaction, self.name, self.item.values)


class CardRoleSelect(ui.DynamicItem[ui.RoleSelect[Any]], template=r"role:(?P<name>[a-z_]+)"):
    """A menu of the guild's roles; choosing none is a choice too."""

    def __init__(
        self, name: str, current: Sequence[int] = (), placeholder: str | None = None, *, most: int = 25
    ) -> None:
        kind = discord.SelectDefaultValueType.role
        super().__init__(
            ui.RoleSelect(
                custom_id=f"role:{name}",
                placeholder=placeholder,
                min_values=0,
                max_values=most,
                default_values=[discord.SelectDefaultValue(id=role, type=kind) for role in current],
            )
        )
        self.name = name

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(match["name"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await _chosen(interaction, self.name, self.item.values)
