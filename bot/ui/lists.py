"""Private cards that list things: models, the queue, a person's jobs, and the tour of `/help`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import discord
from discord import ui

from bot.locales import t
from bot.services.imagining import DrawPayload
from bot.ui.buttons import CardButton
from bot.ui.look import Accent, card, duration, note, quoted, rule
from bot.ui.train_card import concept_of
from bot.ui.train_form import class_label
from data.jobs import Job, JobKind
from data.models import Model

LISTED = 9
"""Entries of a list; a message holds 4,000 characters and 40 components, and an entry takes up to four."""


def models_card(locale: str, models: Sequence[Model]) -> ui.LayoutView:
    """A person's models, newest first."""
    if not models:
        return note(f"## {t(locale, 'models.title')}\n{t(locale, 'models.none')}", Accent.waiting)
    items: list[ui.Item[Any] | str] = [f"## {t(locale, 'models.title')}"]
    for model in models[:LISTED]:
        facts = t(
            locale,
            "models.facts",
            photos=model.photos,
            steps=model.steps,
            base=quoted(model.base, 60),
            when=f"<t:{int(model.created_at)}:R>",
        )
        about = (
            f"**{quoted(model.name)}** · {class_label(locale, model.class_name)}\n"
            f"-# {facts}\n{t(locale, 'models.use', trigger=model.trigger)}"
        )
        forget = CardButton("forget", model.id, label=t(locale, "button.delete"))
        items += [rule(), ui.Section(ui.TextDisplay[Any](about), accessory=forget)]
    if len(models) > LISTED:
        items.append(f"-# {t(locale, 'models.more', n=len(models) - LISTED)}")
    return card(Accent.working, *items)


def forget_card(locale: str, model: Model) -> ui.LayoutView:
    """Asks before a model is removed for good."""
    label = t(locale, "button.delete_forever")
    button = CardButton("forget", model.id, 1, label=label, style=discord.ButtonStyle.danger)
    return card(Accent.failed, t(locale, "models.forget", name=quoted(model.name)), ui.ActionRow[Any](button))


def queue_card(
    locale: str, running: Sequence[Job], queued: Sequence[Job], user_id: int, guild_id: int
) -> ui.LayoutView:
    """What runs now and what comes next, trainings and drawings each with places of their own.

    Other people's prompts stay private, and so do the people of other servers.
    """
    lines = [f"## {t(locale, 'queue.title')}"]
    if not running and not queued:
        lines.append(t(locale, "queue.empty"))
    for job in running:
        share = f"{job.step / job.steps:.0%}" if job.steps else "…"
        left = f" · {duration(locale, job.seconds_left)}" if job.seconds_left is not None else ""
        lines.append(f"▶ {_line(locale, job, user_id, guild_id)} · {share}{left}")
    places: Counter[JobKind] = Counter()
    for job in queued[:LISTED]:
        places[job.kind] += 1
        # Not "1.": Discord would count the whole list on by itself.
        lines.append(f"`{places[job.kind]}` {_line(locale, job, user_id, guild_id)}")
    if len(queued) > LISTED:
        lines.append(f"-# {t(locale, 'queue.more', n=len(queued) - LISTED)}")
    return note("\n".join(lines))


def cancel_card(locale: str, jobs: Sequence[Job]) -> ui.LayoutView:
    """A Cancel button for each of a person's open jobs."""
    items: list[ui.Item[Any] | str] = [f"## {t(locale, 'cancel.title')}"]
    for job in jobs[:LISTED]:
        button = CardButton(
            "cancel", job.id, label=t(locale, "button.cancel"), style=discord.ButtonStyle.danger
        )
        items.append(ui.Section(ui.TextDisplay[Any](job_title(locale, job)), accessory=button))
    return card(Accent.waiting, *items)


def help_card(locale: str) -> ui.LayoutView:
    """The tour: three steps, then every command."""
    return card(
        Accent.working,
        f"## {t(locale, 'help.title')}\n{t(locale, 'help.intro')}",
        rule(),
        t(locale, "help.steps"),
        rule(),
        t(locale, "help.commands"),
    )


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


def _line(locale: str, job: Job, user_id: int, guild_id: int) -> str:
    if job.user_id == user_id and job.guild_id == guild_id:
        return f"**{job_title(locale, job)}**"
    user = f"<@{job.user_id}>" if job.guild_id == guild_id else t(locale, "job.elsewhere")
    return t(
        locale, "job.other_train" if job.kind is JobKind.train else "job.other_draw", id=job.id, user=user
    )
