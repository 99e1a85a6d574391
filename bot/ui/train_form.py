"""The form that `/train` opens: name, class, photos, consent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import discord
from discord import ui

from bot.locales import t
from bot.services.wish import Wish
from bot.ui.replies import report
from trainer.spec import MAX_PHOTOS

if TYPE_CHECKING:
    from bot.client import LikenessBot

CLASSES = ("person", "woman", "man", "cat", "dog")
"""Classes offered in the form; `/train class:` takes any other word."""

FILES_PER_FIELD = 10
"""Discord's own limit for one upload field."""

OPEN_SECONDS = 900.0
"""A dismissed form is never reported; without a time limit it would stay in memory."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What a person handed in, from the form or from the command's options."""

    wish: Wish
    photos: Sequence[discord.Attachment]
    consent: bool


Submitted = Callable[["discord.Interaction[LikenessBot]", Submission], Awaitable[None]]


class TrainForm(ui.Modal):
    """Five fields, the most that Discord allows in one form; photos that were `given` need no upload."""

    def __init__(
        self, locale: str, submitted: Submitted, wish: Wish, given: Sequence[discord.Attachment] = ()
    ) -> None:
        super().__init__(title=t(locale, "form.title"), timeout=OPEN_SECONDS)
        self._submitted = submitted
        self._wish = wish
        self._given = given
        chosen = wish.class_name or CLASSES[0]
        offered = CLASSES if chosen in CLASSES else (chosen, *CLASSES)
        self.name = ui.TextInput[Any](
            custom_id="name",
            placeholder=t(locale, "form.name_placeholder"),
            default=wish.name[:16] or None,
            min_length=2,
            max_length=16,
        )
        self.class_name = ui.Select[Any](
            custom_id="class",
            options=[
                discord.SelectOption(label=class_label(locale, word), value=word, default=word == chosen)
                for word in offered
            ],
        )
        self.photos = ui.FileUpload[Any](custom_id="photos", min_values=1, max_values=FILES_PER_FIELD)
        self.more_photos = ui.FileUpload[Any](
            custom_id="more_photos", required=False, min_values=0, max_values=MAX_PHOTOS - FILES_PER_FIELD
        )
        self.consent = ui.Checkbox[Any](custom_id="consent")
        fields: list[tuple[str, ui.Item[Any]]] = [
            ("name", self.name),
            ("class", self.class_name),
            ("photos", self.photos),
            ("more_photos", self.more_photos),
            ("consent", self.consent),
        ]
        if given:
            del fields[2]
            self.add_item(ui.TextDisplay[Any](t(locale, "form_given.photos", count=len(given))))
        for field, item in fields:
            label, description = t(locale, f"form.{field}"), t(locale, f"form.{field}_help")
            self.add_item(ui.Label(text=label, description=description, component=item))

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        await self._submitted(
            interaction,
            Submission(
                self._wish.model_copy(
                    update={"name": self.name.value.strip(), "class_name": self.class_name.values[0]}
                ),
                [*self._given, *([] if self._given else self.photos.values), *self.more_photos.values],
                self.consent.value,
            ),
        )

    async def on_error(  # type: ignore[override]  # discord.ui.Modal itself drops the base's third argument
        self, interaction: discord.Interaction[Any], error: Exception
    ) -> None:
        await report(interaction, error)


def class_label(locale: str, class_name: str) -> str:
    """A class in the person's language; the model itself is always told the English word."""
    return t(locale, f"class.{class_name}") if class_name in CLASSES else class_name
