"""The card of a training job, from the queue to the end, and the card of its samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import discord
from discord import ui

from bot.locales import t
from bot.services.access import Paused
from bot.services.shots import Shot
from bot.ui.buttons import CardButton
from bot.ui.look import ALT_LIMIT, Accent, bar, card, duration, quoted, rule
from bot.ui.pictures import shots_gallery
from bot.ui.replies import explain
from bot.ui.train_form import class_label
from data.jobs import Job, JobState
from trainer.events import Plan
from trainer.spec import Concept, TrainSpec, sample_prompts

STAGES = ("class_images", "train", "samples")
"""The phases that take long enough to be shown as stages; the short ones belong to the next."""

_STAGE_OF = {"load": "class_images", "cache": "train", "save": "samples"}


def concept_of(job: Job) -> Concept:
    """The subject that a training job learns."""
    return TrainSpec.model_validate_json(job.payload).concepts[0]


def train_card(
    job: Job,
    *,
    place: int | None = None,
    paused: Paused = None,
    samples_channel: int | None = None,
    shots: Sequence[Shot] = (),
) -> ui.LayoutView:
    """What `job` looks like now; its message carries `shots`."""
    match job.state:
        case JobState.queued:
            return _queued(job, place, paused)
        case JobState.running:
            return _running(job, shots)
        case JobState.done:
            return _done(job, samples_channel, shots)
        case JobState.failed:
            reason = explain(job.locale, job.error_code or "internal", {"reference": job.id}, job.error)
            title = t(job.locale, "train.failed", **_names(job))
            gallery = shots_gallery(job.locale, shots)
            return card(Accent.failed, f"## {title}\n{reason}", *gallery, _subtitle(job))
        case JobState.cancelled:
            title = t(job.locale, "train.cancelled", **_names(job))
            return card(
                Accent.waiting, f"## {title}\n{t(job.locale, 'train.cancelled_hint')}", _subtitle(job)
            )


def samples_card(
    job: Job, files: Sequence[discord.File | str], buttons: ui.ActionRow[Any], *, hint: str = "samples.hint"
) -> ui.LayoutView:
    """The finished model's first pictures.

    `files` may be `attachment://name`, for pictures that the message has already; `hint` is a text's key.
    """
    prompts = sample_prompts(TrainSpec.model_validate_json(job.payload))
    gallery = ui.MediaGallery[Any]()
    for number, file in enumerate(files, 1):
        alt = t(job.locale, "samples.alt", n=number, prompt=prompts[(number - 1) % len(prompts)])
        gallery.add_item(media=file, description=alt[:ALT_LIMIT])
    shown = " · ".join(quoted(prompt, 300) for prompt in dict.fromkeys(prompts))
    return card(
        Accent.done,
        f"## {t(job.locale, 'samples.title', **_names(job))}\n"
        + t(job.locale, "samples.by", user=f"<@{job.user_id}>", prompt=shown),
        gallery,
        f"-# {t(job.locale, hint)}",
        buttons,
    )


def _names(job: Job) -> dict[str, object]:
    concept = concept_of(job)
    return {"name": quoted(concept.name), "class_name": class_label(job.locale, concept.class_name)}


def _steps(job: Job) -> int:
    """Steps of the whole training; the job's own count is that of its present phase."""
    return TrainSpec.model_validate_json(job.payload).recipe.steps or job.steps


def _subtitle(job: Job) -> str:
    spec = TrainSpec.model_validate_json(job.payload)
    said = t(
        job.locale,
        "train.subtitle",
        user=f"<@{job.user_id}>",
        photos=job.photos,
        steps=_steps(job),
        base=quoted(spec.base, 60),
        id=job.id,
    )
    return "\n".join(f"-# {line}" for line in [said, *_plan(job)])


def _plan(job: Job) -> list[str]:
    """How it uses the memory, and the trainer's own words on what was wished for and can't be."""
    if job.plan is None:
        return []
    plan = Plan.model_validate_json(job.plan)
    facts = t(
        job.locale,
        "train.plan" if plan.free_gib is None else "train.plan_gpu",
        name=plan.name,
        method=t(job.locale, f"train_method.{plan.method}"),
        precision=plan.precision,
        optimizer=t(job.locale, f"optimizer.{plan.optimizer}"),
        needed=f"{plan.needed_gib:.1f}",
        free=f"{plan.free_gib or 0:.1f}",
    )
    return [facts, *(quoted(note, 200) for note in plan.notes)]


def _cancel(job: Job) -> ui.ActionRow[Any]:
    label = t(job.locale, "button.cancel")
    return ui.ActionRow(CardButton("cancel", job.id, label=label, style=discord.ButtonStyle.danger))


def _queued(job: Job, place: int | None, paused: Paused) -> ui.LayoutView:
    waiting = t(job.locale, "train.next") if place in (None, 1) else t(job.locale, "train.place", n=place)
    if paused:
        waiting = f"⏸️ {t(job.locale, f'queue.{job.kind}_paused_{paused}')}"
    title = t(job.locale, "train.queued", **_names(job))
    return card(Accent.waiting, f"## {title}\n{waiting}", _subtitle(job), _cancel(job))


def _running(job: Job, shots: Sequence[Shot]) -> ui.LayoutView:
    phase = job.phase or "load"
    lines = [bar(job.step, job.steps)]
    facts = [t(job.locale, f"phase.{phase}", step=job.step, steps=job.steps)]
    if phase == "train" and job.loss is not None:
        facts.append(t(job.locale, "train.loss", loss=f"{job.loss:.3f}"))
    if job.seconds_left is not None:
        facts.append(t(job.locale, "train.left", time=duration(job.locale, job.seconds_left)))
    lines.append(" · ".join(facts))
    return card(
        Accent.working,
        f"## {t(job.locale, 'train.running', **_names(job))}",
        _stages(job.locale, _STAGE_OF.get(phase, phase)),
        "\n".join(lines),
        *shots_gallery(job.locale, shots),
        rule(),
        _subtitle(job),
        _cancel(job),
    )


def _stages(locale: str, current: str) -> str:
    """`✓ Class pictures → **Training** → Samples`"""
    at = STAGES.index(current) if current in STAGES else 0
    words: list[str] = []
    for number, stage in enumerate(STAGES):
        word = t(locale, f"stage.{stage}")
        words.append(f"✓ {word}" if number < at else f"**{word}**" if number == at else word)
    return "  →  ".join(words)


def _done(job: Job, samples_channel: int | None, shots: Sequence[Shot]) -> ui.LayoutView:
    took = ""
    if job.started_at is not None and job.finished_at is not None:
        took = duration(job.locale, job.finished_at - job.started_at)
    lines = [
        f"## {t(job.locale, 'train.done', **_names(job))}",
        t(job.locale, "train.done_facts", steps=_steps(job), time=took),
    ]
    if samples_channel is not None:
        lines.append(t(job.locale, "train.done_samples", channel=f"<#{samples_channel}>"))
    else:
        lines.append(t(job.locale, "train.done_nowhere"))
    lines.append(t(job.locale, "train.done_hint"))
    return card(Accent.done, "\n".join(lines), *shots_gallery(job.locale, shots), _subtitle(job))
