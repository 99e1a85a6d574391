"""The form behind *Edit prompt*."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import discord
from discord import ui

from bot.locales import t
from bot.services.draw_payload import DrawPayload
from bot.ui.replies import report
from inference.requests import MAX_PROMPT

FORM_SECONDS = 900.0

Submit = Callable[[discord.Interaction[Any], str, str], Awaitable[None]]
"""Gets the new prompt and the new negative prompt."""


class EditForm(ui.Modal):
    """The words of an earlier drawing, to be changed."""

    def __init__(self, locale: str, asked: DrawPayload, submit: Submit) -> None:
        super().__init__(title=t(locale, "form.edit_title"), timeout=FORM_SECONDS)
        self._submit = submit
        self.prompt = _long_text("prompt", asked.prompt, required=True)
        self.negative = _long_text("negative", asked.negative, required=False)
        for label, help, field in (
            ("form.edit_prompt", "form.edit_prompt_help", self.prompt),
            ("form.edit_negative", "form.edit_negative_help", self.negative),
        ):
            self.add_item(ui.Label(text=t(locale, label), description=t(locale, help), component=field))

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        await self._submit(interaction, self.prompt.value, self.negative.value)

    async def on_error(  # type: ignore[override]  # discord.ui.Modal itself drops the base's third argument
        self, interaction: discord.Interaction[Any], error: Exception
    ) -> None:
        await report(interaction, error)


def _long_text(name: str, text: str, *, required: bool) -> ui.TextInput[Any]:
    return ui.TextInput(
        custom_id=name,
        default=text or None,
        style=discord.TextStyle.paragraph,
        max_length=MAX_PROMPT,
        required=required,
    )
