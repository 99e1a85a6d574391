"""The card of `/queue`: what runs, what comes next and when, and to admins the levers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import discord
from discord import ui

from bot.locales import t
from bot.services.access import queue_state
from bot.ui.buttons import CardButton
from bot.ui.lists import job_title
from bot.ui.look import Accent, card, duration
from bot.ui.selects import CardSelect
from data.jobs import Job, JobKind, Lane
from data.settings import GuildSettings

LISTED = 7
"""Waiting jobs of each line that are shown; one's own are shown wherever they stand."""

STATES = ("open", "paused", "drained")
"""States of a queue, by the index that a button's id says."""


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of work in one lane: what runs, what waits in order, and seconds until each ends."""

    kind: JobKind
    lane: Lane
    running: Sequence[Job]
    queued: Sequence[Job]
    waits: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks. Other people's prompts stay private, and so do the people of other servers."""

    locale: str
    user_id: int
    guild_id: int
    admin: bool = False
    owner: bool = False
    """Whether the whole installation is theirs."""


@dataclass(frozen=True, slots=True)
class Gates:
    """How the queues stand, for the guild and for everybody."""

    here: GuildSettings
    everywhere: GuildSettings = field(default_factory=GuildSettings)


def queue_card(viewer: Viewer, lines: Sequence[Line], gates: Gates) -> ui.LayoutView:
    locale = viewer.locale
    items: list[ui.Item[Any] | str] = [f"## {t(locale, 'queue.title')}"]
    if not any(line.running or line.queued for line in lines):
        items.append(t(locale, "queue.empty"))
    for line in lines:
        items += _work(viewer, line, gates)
    refresh = CardButton("queue", 0, label=t(locale, "button.refresh"), emoji="🔄")
    items.append(ui.ActionRow[Any](refresh))
    if viewer.admin:
        items += [f"-# {t(locale, 'queue.admin')}", *_movable(viewer, lines), _levers(locale, 0, gates.here)]
    if viewer.owner:
        items += [f"-# {t(locale, 'queue.owner')}", _levers(locale, 1, gates.everywhere)]
    return card(Accent.working, *items)


def _work(viewer: Viewer, line: Line, gates: Gates) -> list[ui.Item[Any] | str]:
    locale = viewer.locale
    ours = line.lane is Lane.gpu
    title = t(locale, f"queue.{line.kind}" if ours else "queue.endpoints")
    said = [f"**{title}**"] if line.running or line.queued else []
    for settings, where in ((gates.here, "here"), (gates.everywhere, "everywhere")):
        state = queue_state(settings, line.kind)
        if state != "open" and ours:
            said.append(f"⏸️ {t(locale, f'queue.{line.kind}_{state}_{where}')}")
    for job in line.running:
        share = f" · {job.step / job.steps:.0%}" if job.steps else ""
        said.append(f"▶ {_named(viewer, job)}{share}{_left(locale, line, job)}")
    for place, job in enumerate(line.queued, 1):
        mine = (job.user_id, job.guild_id) == (viewer.user_id, viewer.guild_id)
        if place <= LISTED or mine:
            # Not "1.": Discord would count the whole list on by itself.
            said.append(f"`{place}` {_named(viewer, job)}{_left(locale, line, job)}")
    hidden = len(line.queued) - LISTED
    if hidden > 0:
        said.append(f"-# {t(locale, 'queue.more', n=hidden)}")
    return ["\n".join(said)] if said else []


def _movable(viewer: Viewer, lines: Sequence[Line]) -> list[ui.Item[Any]]:
    """A menu of the guild's jobs that wait behind others."""
    options = [
        discord.SelectOption(
            label=f"{t(viewer.locale, f'queue.{line.kind}')} {job.id} · {place}", value=str(job.id)
        )
        for line in lines
        for place, job in enumerate(line.queued, 1)
        if place > 1 and job.guild_id == viewer.guild_id
    ]
    if not options:
        return []
    menu = CardSelect("front", options[:25], placeholder=t(viewer.locale, "queue.front"))
    return [ui.ActionRow[Any](menu)]


def _left(locale: str, line: Line, job: Job) -> str:
    if job.id not in line.waits:
        return ""
    return " · " + t(locale, "queue.left", time=duration(locale, line.waits[job.id]))


def _levers(locale: str, scope: int, settings: GuildSettings) -> ui.ActionRow[Any]:
    """For each kind of work a way to the two states that it is not in."""
    buttons = []
    for kind in JobKind:
        now = queue_state(settings, kind)
        for index, state in enumerate(STATES):
            if state != now:
                style = discord.ButtonStyle.success if state == "open" else discord.ButtonStyle.secondary
                label = t(locale, f"lever.{kind}_{state}")
                buttons.append(CardButton(f"queue{kind}", scope, index, label=label, style=style))
    return ui.ActionRow(*buttons)


def _named(viewer: Viewer, job: Job) -> str:
    here = job.guild_id == viewer.guild_id
    if here and job.user_id == viewer.user_id:
        return f"**{job_title(viewer.locale, job)}**"
    user = f"<@{job.user_id}>" if here else t(viewer.locale, "job.elsewhere")
    key = "job.other_train" if job.kind is JobKind.train else "job.other_draw"
    return t(viewer.locale, key, id=job.id, user=user)
