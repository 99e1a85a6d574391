"""The card of an `/imagine`: live while it draws, then the pictures with what made them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import discord
from discord import ui

from bot.locales import t
from bot.services.imagining import DrawPayload
from bot.ui.buttons import CardButton
from bot.ui.look import Accent, bar, card, duration, quoted
from bot.ui.replies import explain
from data.jobs import Job, JobState
from data.models import Model
from data.pictures import Picture

ALT_LIMIT = 256
"""Discord's own limit for the text that describes a picture."""


def draw_card(job: Job, *, place: int | None = None) -> ui.LayoutView:
    """What a drawing job looks like while it has no pictures."""
    locale = job.locale
    prompt = f"### {quoted(DrawPayload.of(job).prompt)}"
    cancel = CardButton("cancel", job.id, label=t(locale, "button.cancel"), style=discord.ButtonStyle.danger)
    match job.state:
        case JobState.queued:
            waiting = t(locale, "draw.next") if place in (None, 1) else t(locale, "draw.place", n=place)
            return card(Accent.waiting, prompt, waiting, _by(job), ui.ActionRow[Any](cancel))
        case JobState.running | JobState.done:
            facts = [bar(job.step, job.steps), t(locale, "draw.running", step=job.step, steps=job.steps)]
            if job.seconds_left is not None:
                facts.append(t(locale, "train.left", time=duration(locale, job.seconds_left)))
            return card(Accent.working, prompt, " · ".join(facts), _by(job), ui.ActionRow[Any](cancel))
        case JobState.failed:
            reason = explain(locale, job.error_code or "internal", {"reference": job.id}, job.error)
            return card(Accent.failed, prompt, reason, _by(job), ui.ActionRow[Any](_again(job)))
        case JobState.cancelled:
            return card(
                Accent.waiting, prompt, t(locale, "draw.cancelled"), _by(job), ui.ActionRow[Any](_again(job))
            )


def result_card(
    job: Job, pictures: Sequence[Picture], files: Sequence[discord.File], model: Model | None
) -> ui.LayoutView:
    """The pictures of a finished drawing; `files` in the order of `pictures`."""
    locale, asked = job.locale, DrawPayload.of(job)
    gallery = ui.MediaGallery[Any]()
    for number, (picture, file) in enumerate(zip(pictures, files, strict=True), 1):
        alt = t(locale, "draw.alt", n=number, prompt=picture.prompt)
        gallery.add_item(media=file, description=alt[:ALT_LIMIT])
    settings = t(
        locale,
        "draw.settings",
        model=quoted(model.name if model else asked.base, 60),
        seed=pictures[0].seed,
        steps=asked.steps,
        guidance=f"{asked.guidance:g}",
    )
    if asked.negative:
        settings += " · " + t(locale, "draw.without", negative=quoted(asked.negative, 200))
    trash = CardButton("delete", job.id, label=t(locale, "button.delete"), emoji="🗑️")
    return card(
        Accent.done,
        f"### {quoted(asked.prompt)}",
        gallery,
        f"-# {settings}\n{_by(job)}",
        ui.ActionRow[Any](_again(job), trash),
    )


def _again(job: Job) -> CardButton:
    return CardButton(
        "again", job.id, label=t(job.locale, "button.again"), emoji="🔁", style=discord.ButtonStyle.primary
    )


def _by(job: Job) -> str:
    return f"-# {t(job.locale, 'draw.by', user=f'<@{job.user_id}>')}"
