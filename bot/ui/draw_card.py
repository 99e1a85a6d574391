"""The card of an `/imagine`: live while it draws, then the pictures with what made them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import discord
from discord import ui

from bot.locales import t
from bot.services.access import Paused
from bot.services.draw_payload import DrawPayload
from bot.services.shots import Shot
from bot.ui.buttons import CardButton
from bot.ui.look import ALT_LIMIT, Accent, bar, card, duration, quoted
from bot.ui.pictures import shots_gallery
from bot.ui.replies import explain
from data.jobs import Job, JobState, Lane
from data.models import Model
from data.pictures import Picture

WAITS = ("starting", "busy", "unreachable")
"""Phases in which nothing is drawn yet, because an endpoint has to be waited for."""


def draw_card(
    job: Job, *, place: int | None = None, paused: Paused = None, shots: Sequence[Shot] = ()
) -> ui.LayoutView:
    """What a drawing job looks like while it has no pictures, or only what they may become."""
    locale = job.locale
    prompt = f"### {quoted(DrawPayload.of(job).prompt)}"
    cancel = CardButton("cancel", job.id, label=t(locale, "button.cancel"), style=discord.ButtonStyle.danger)
    match job.state:
        case JobState.queued:
            waiting = t(locale, "draw.next") if place in (None, 1) else t(locale, "draw.place", n=place)
            if paused:
                waiting = f"⏸️ {t(locale, f'queue.{job.kind}_paused_{paused}')}"
            return card(Accent.waiting, prompt, waiting, _by(job), ui.ActionRow[Any](cancel))
        case JobState.running | JobState.done:
            facts = [bar(job.step, job.steps), t(locale, "draw.running", step=job.step, steps=job.steps)]
            if job.phase in WAITS:
                facts = [t(locale, f"endpoint.{job.phase}", time=duration(locale, job.step))]
            if job.seconds_left is not None:
                facts.append(t(locale, "train.left", time=duration(locale, job.seconds_left)))
            return card(
                Accent.working,
                prompt,
                *shots_gallery(locale, shots),
                " · ".join(facts),
                _by(job),
                ui.ActionRow[Any](cancel),
            )
        case JobState.failed:
            reason = explain(locale, job.error_code or "internal", {"reference": job.id}, job.error)
            return card(Accent.failed, prompt, reason, _by(job), _once_more(job))
        case JobState.cancelled:
            return card(Accent.waiting, prompt, t(locale, "draw.cancelled"), _by(job), _once_more(job))


def result_card(
    job: Job, pictures: Sequence[Picture], files: Sequence[discord.File], model: Model | None
) -> ui.LayoutView:
    """The pictures of a finished drawing; `files` in the order of `pictures`."""
    locale, asked = job.locale, DrawPayload.of(job)
    gallery = ui.MediaGallery[Any]()
    for number, (picture, file) in enumerate(zip(pictures, files, strict=True), 1):
        alt = t(locale, "draw.alt", n=number, prompt=picture.prompt)
        gallery.add_item(media=file, description=alt[:ALT_LIMIT])
    facts = settings_line(locale, job, pictures[0], model)
    if asked.negative:
        facts += " · " + t(locale, "draw.without", negative=quoted(asked.negative, 200))
    hidden = [str(number) for number, picture in enumerate(pictures, 1) if picture.flagged]
    if hidden:
        facts += f"\n⚠️ {t(locale, 'draw.flagged', numbers=', '.join(hidden))}"
    if job.error_code:
        reason = explain(locale, job.error_code, {}, job.error)
        facts += f"\n{t(locale, 'endpoint.lacking', reason=reason)}"
    return card(
        Accent.done,
        f"### {quoted(asked.prompt)}",
        gallery,
        f"-# {facts}\n{_by(job)}",
        *_rows(job, pictures),
    )


def settings_line(locale: str, job: Job, picture: Picture, model: Model | None) -> str:
    """What made a picture, on one line."""
    asked = DrawPayload.of(job)
    return t(
        locale,
        "draw.settings",
        model=_drawn_with(locale, job, asked, model),
        seed=picture.seed,
        steps=asked.steps,
        guidance=f"{asked.guidance:g}",
        width=picture.width,
        height=picture.height,
    )


def details_card(
    locale: str, job: Job, asked: DrawPayload, pictures: Sequence[Picture], model: Model | None
) -> ui.LayoutView:
    """Everything that is known about a drawing."""
    facts = [
        ("prompt", quoted(asked.prompt, 1000)),
        ("negative", quoted(asked.negative, 1000)),
        ("style", quoted(asked.style or "")),
        ("model", _drawn_with(locale, job, asked, model)),
        ("seeds", ", ".join(f"`{picture.seed}`" for picture in pictures)),
        ("size", _size(locale, asked, pictures)),
        ("steps", str(asked.steps)),
        ("guidance", f"{asked.guidance:g}"),
        ("strength", f"{asked.strength:g}" if asked.init is not None else ""),
        ("parent", f"{asked.parent}" if asked.parent is not None else ""),
        ("backend", t(locale, "details.endpoint" if job.lane is Lane.endpoint else "backend.local")),
    ]
    if job.started_at is not None and job.finished_at is not None:
        facts.append(("took", duration(locale, job.finished_at - job.started_at)))
    lines = [f"**{t(locale, f'details.{name}')}** {value}" for name, value in facts if value]
    return card(Accent.done, f"## {t(locale, 'details.title', id=job.id)}", "\n".join(lines))


def choose_card(locale: str, job_id: int, pictures: Sequence[Picture]) -> ui.LayoutView:
    """Asks which picture of several to share."""
    buttons = [
        CardButton("share", job_id, picture.idx + 1, label=t(locale, "button.share_one", n=picture.idx + 1))
        for picture in pictures
    ]
    return card(Accent.waiting, t(locale, "gallery.which"), ui.ActionRow[Any](*buttons))


def _rows(job: Job, pictures: Sequence[Picture]) -> list[ui.ActionRow[Any]]:
    """The buttons of a result: what draws more, what changes one picture, and what becomes of all."""
    locale = job.locale
    new_seed = CardButton("newseed", job.id, label=t(locale, "button.new_seed"), emoji="🎲")
    details = CardButton("details", job.id, label=t(locale, "button.details"), emoji="🔍")
    vary = [
        CardButton("vary", job.id, one.idx, label=t(locale, "button.vary", n=one.idx + 1)) for one in pictures
    ]
    upscale = [
        CardButton("upscale", job.id, one.idx, label=t(locale, "button.upscale", n=one.idx + 1))
        for one in pictures
    ]
    share = CardButton("share", job.id, label=t(locale, "button.share"), emoji="📣")
    trash = CardButton("delete", job.id, label=t(locale, "button.delete"), emoji="🗑️")
    report = CardButton("report", job.id, label=t(locale, "button.report"), emoji="🚩")
    return [
        ui.ActionRow[Any](_again(job), new_seed, _edit(job), details),
        ui.ActionRow[Any](*vary),
        ui.ActionRow[Any](*upscale),
        ui.ActionRow[Any](share, trash, report),
    ]


def _once_more(job: Job) -> ui.ActionRow[Any]:
    return ui.ActionRow[Any](_again(job), _edit(job))


def _again(job: Job) -> CardButton:
    return CardButton(
        "again", job.id, label=t(job.locale, "button.again"), emoji="🔁", style=discord.ButtonStyle.primary
    )


def _edit(job: Job) -> CardButton:
    return CardButton("edit", job.id, label=t(job.locale, "button.edit"), emoji="✏️")


def _by(job: Job) -> str:
    return f"-# {t(job.locale, 'draw.by', user=f'<@{job.user_id}>')}"


def _drawn_with(locale: str, job: Job, asked: DrawPayload, model: Model | None) -> str:
    """An endpoint draws with its own model, whichever was meant."""
    if job.lane is Lane.endpoint:
        return t(locale, "draw.endpoint_model")
    return quoted(model.title if model else asked.base, 100)


def _size(locale: str, asked: DrawPayload, pictures: Sequence[Picture]) -> str:
    form = t(locale, f"size.{asked.size}")
    if not pictures:
        return form
    return t(locale, "details.pixels", form=form, width=pictures[0].width, height=pictures[0].height)
