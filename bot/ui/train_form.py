"""The form that `/train` opens: name, class, photos, consent."""

from __future__ import annotations

from typing import Any

import discord
from discord import ui

from bot.locales import t
from bot.services.wish import Wish
from bot.ui.forms import Form
from data.drafts import Draft
from trainer.spec import MAX_PHOTOS

CLASSES = ("person", "woman", "man", "cat", "dog")
"""Classes offered in the form; `/train class:` takes any other word."""

FILES_PER_FIELD = 10
"""Discord's own limit for one upload field."""


class TrainForm(Form):
    """Five fields, the most that Discord allows in one form; photos that the draft has need no upload."""

    def __init__(self, locale: str, draft: Draft) -> None:
        super().__init__("train", draft.id, title=t(locale, "form.title"))
        wish = Wish.model_validate_json(draft.wish)
        given = len(draft.attached) + len(draft.uploads)
        chosen = wish.class_name or CLASSES[0]
        offered = CLASSES if chosen in CLASSES else (chosen, *CLASSES)
        name = ui.TextInput[Any](
            custom_id="name",
            placeholder=t(locale, "form.name_placeholder"),
            default=wish.name[:16] if len(wish.name) > 1 else None,
            min_length=2,
            max_length=16,
        )
        class_name = ui.Select[Any](
            custom_id="class",
            options=[
                discord.SelectOption(label=class_label(locale, word), value=word, default=word == chosen)
                for word in offered
            ],
        )
        photos = ui.FileUpload[Any](custom_id="photos", min_values=1, max_values=FILES_PER_FIELD)
        fields: list[tuple[str, ui.Item[Any]]] = [("name", name), ("class", class_name)]
        if given:
            self.add_item(ui.TextDisplay[Any](t(locale, "form_given.photos", count=given)))
        else:
            fields.append(("photos", photos))
        room = min(MAX_PHOTOS - (given or FILES_PER_FIELD), FILES_PER_FIELD)
        if room:
            more_photos = ui.FileUpload[Any](
                custom_id="more_photos", required=False, min_values=0, max_values=room
            )
            fields.append(("more_photos", more_photos))
        fields.append(("consent", ui.Checkbox[Any](custom_id="consent")))
        for field, item in fields:
            label, description = t(locale, f"form.{field}"), t(locale, f"form.{field}_help")
            self.add_item(ui.Label(text=label, description=description, component=item))


def class_label(locale: str, class_name: str) -> str:
    """A class in the person's language; the model itself is always told the English word."""
    return t(locale, f"class.{class_name}") if class_name in CLASSES else class_name
