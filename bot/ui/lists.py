"""A person's jobs, named and listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import discord
from discord import ui

from bot.locales import t
from bot.services.draw_payload import DrawPayload
from bot.ui.buttons import CardButton
from bot.ui.look import Accent, card, quoted
from bot.ui.train_card import concept_of
from bot.ui.train_form import class_label
from data.jobs import Job, JobKind

LISTED = 9
"""Entries of a list; a message holds 4,000 characters and 40 components, and an entry takes up to four."""


def cancel_card(locale: str, jobs: Sequence[Job]) -> ui.LayoutView:
    """A Cancel button for each of a person's open jobs."""
    items: list[ui.Item[Any] | str] = [f"## {t(locale, 'cancel.title')}"]
    for job in jobs[:LISTED]:
        button = CardButton(
            "cancel", job.id, label=t(locale, "button.cancel"), style=discord.ButtonStyle.danger
        )
        items.append(ui.Section(ui.TextDisplay[Any](job_title(locale, job)), accessory=button))
    return card(Accent.waiting, *items)


def job_title(locale: str, job: Job, limit: int = 80) -> str:
    """One line that names a job for the person whose it is."""
    if job.kind is JobKind.train:
        concept = concept_of(job)
        return t(
            locale,
            "job.train",
            id=job.id,
            name=quoted(concept.name),
            class_name=class_label(locale, concept.class_name),
        )
    return t(locale, "job.draw", id=job.id, prompt=quoted(DrawPayload.of(job).prompt, limit))
