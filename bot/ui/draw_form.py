"""The form behind *Edit prompt*."""

from __future__ import annotations

from typing import Any

import discord
from discord import ui

from bot.locales import t
from bot.services.draw_payload import DrawPayload
from bot.ui.forms import Form
from inference.requests import MAX_PROMPT


class EditForm(Form):
    """The words of an earlier drawing, to be changed."""

    def __init__(self, locale: str, job_id: int, asked: DrawPayload) -> None:
        super().__init__("edit", job_id, title=t(locale, "form.edit_title"))
        prompt = _long_text("prompt", asked.prompt, required=True)
        negative = _long_text("negative", asked.negative, required=False)
        for label, help, field in (
            ("form.edit_prompt", "form.edit_prompt_help", prompt),
            ("form.edit_negative", "form.edit_negative_help", negative),
        ):
            self.add_item(ui.Label(text=t(locale, label), description=t(locale, help), component=field))


def _long_text(name: str, text: str, *, required: bool) -> ui.TextInput[Any]:
    return ui.TextInput(
        custom_id=name,
        default=text or None,
        style=discord.TextStyle.paragraph,
        max_length=MAX_PROMPT,
        required=required,
    )
