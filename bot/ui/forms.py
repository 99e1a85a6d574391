"""Forms that never die: their id says `form:name:id:index`, everything else is looked up when one is sent.

discord.py answers only the forms that it holds in memory: not after a restart, and those that a person
dismissed it holds for ever. So it holds none of ours, and `submitted` gets every form that comes in.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import discord
from discord import ui

from bot.services.refusal import Refusal
from bot.ui.gate import Registry, Rule
from data.drafts import Attached

if TYPE_CHECKING:
    from bot.client import LikenessBot

_ID = re.compile(r"form:(?P<name>[a-z]+):(?P<id>[0-9]{1,19}):(?P<index>[0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Answers:
    """What was filled into a form, by the custom ids of its fields. A field that it didn't have is empty."""

    fields: Mapping[str, Mapping[str, Any]]
    """Each field as Discord sends it."""
    uploads: Mapping[str, Attached]
    """By the ids that a field for files names."""

    def text(self, field: str) -> str:
        return str(self.fields.get(field, {}).get("value") or "")

    def chosen(self, field: str) -> list[str]:
        return list(self.fields.get(field, {}).get("values") or ())

    def one(self, field: str) -> str:
        """What was chosen in a menu of one. Raises Refusal(old_form) where the form had none."""
        for value in self.chosen(field):
            return value
        raise Refusal("old_form")

    def ticked(self, field: str) -> bool:
        return bool(self.fields.get(field, {}).get("value"))

    def files(self, field: str) -> list[Attached]:
        """Raises Refusal(old_form) where a file was named but not sent."""
        try:
            return [self.uploads[id] for id in self.chosen(field)]
        except KeyError as error:
            raise Refusal("old_form") from error


Submit = Callable[["discord.Interaction[LikenessBot]", int, int, Answers], Awaitable[None]]

FORMS: Registry[Submit] = Registry("old_form")


def on_form(name: str, rule: Rule) -> Callable[[Submit], Submit]:
    """Name the function that is called when a form `name:id:index` is sent, once `rule` lets the person."""
    return FORMS.register(name, rule=rule)


class Form(ui.Modal):
    """A form that whichever process answers: what it needs stands in its id, or in the database."""

    def __init__(self, name: str, id: int = 0, index: int = 0, *, title: str) -> None:
        super().__init__(title=title, custom_id=f"form:{name}:{id}:{index}")
        self.stop()  # discord.py then doesn't store it when it is opened


async def submitted(interaction: discord.Interaction[LikenessBot]) -> None:
    """Answer a form that a person sent, however old it is and whichever process opened it."""
    data: Any = interaction.data
    match = _ID.fullmatch(data["custom_id"])
    name, target, index = match.groups(default="") if match else ("", "0", "0")
    await FORMS.call(name, interaction, int(target), int(target), int(index), _answers(data))


def _answers(data: Mapping[str, Any]) -> Answers:
    sent = data.get("resolved", {}).get("attachments", {})
    uploads = {id: Attached(one["filename"], one["url"], one["size"]) for id, one in sent.items()}
    return Answers({field["custom_id"]: field for field in _fields(data["components"])}, uploads)


def _fields(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The fields within labels and rows."""
    for component in components:
        if "custom_id" in component:
            yield component
        yield from _fields(component.get("components", []))
        if "component" in component:
            yield from _fields([component["component"]])
