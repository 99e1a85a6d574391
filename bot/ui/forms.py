"""Forms: what happens when one is sent, and that its errors reach the person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import discord
from discord import ui

from bot.ui.replies import report

F = TypeVar("F", bound=ui.Modal)

Submitted = Callable[["discord.Interaction[Any]"], Awaitable[None]]


def asking(form: F, submitted: Submitted) -> F:
    """Have `submitted` called with the answer; what it raises is told to the person who sent the form."""

    async def on_submit(interaction: discord.Interaction[Any]) -> None:
        try:
            await submitted(interaction)
        except Exception as error:
            await report(interaction, error)

    form.on_submit = on_submit  # type: ignore[method-assign]
    return form
