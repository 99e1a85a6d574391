"""`/queue` and `/cancel`: what waits, what runs, and how to stop it; admins hold and reorder it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.locales import t
from bot.rules import admin, guild_of, member, queue_keeper, stoppable_job
from bot.services.draw_payload import DrawPayload
from bot.services.refusal import Refusal
from bot.translator import options, text
from bot.ui.buttons import on_press
from bot.ui.gate import nth, only
from bot.ui.lists import cancel_card, job_title
from bot.ui.look import Accent
from bot.ui.queue_card import STATES, Gates, Line, Viewer, queue_card
from bot.ui.replies import answer, language_of, replace, show
from bot.ui.selects import on_choice
from data.ids import row_id
from data.jobs import Job, JobKind, Lane
from data.settings import INSTALLATION

if TYPE_CHECKING:
    from bot.client import LikenessBot

_LANES = ((JobKind.train, Lane.gpu), (JobKind.draw, Lane.gpu), (JobKind.draw, Lane.endpoint))


class Queue(commands.Cog):
    @app_commands.command(name=text("command.queue.name"), description=text("command.queue.description"))
    @app_commands.guild_only()
    async def queue(self, interaction: discord.Interaction[LikenessBot]) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        await show(interaction, await _card(interaction))

    @app_commands.command(name=text("command.cancel.name"), description=text("command.cancel.description"))
    @options(job="option.job")
    @app_commands.guild_only()
    async def cancel(self, interaction: discord.Interaction[LikenessBot], job: int | None = None) -> None:
        if job is not None:
            await stoppable_job(interaction, job)
            await _cancel(interaction, job)
            return
        mine = await _open_jobs(interaction)
        locale = await language_of(interaction)
        if not mine:
            await answer(interaction, t(locale, "cancel.none"))
        elif len(mine) == 1:
            await _cancel(interaction, mine[0].id)
        else:
            await show(interaction, cancel_card(locale, mine))

    @cancel.autocomplete("job")
    async def offer_jobs(
        self, interaction: discord.Interaction[LikenessBot], current: str
    ) -> list[app_commands.Choice[int]]:
        locale = await language_of(interaction)
        titles = {job.id: job_title(locale, job, 60) for job in await _open_jobs(interaction)}
        return [
            app_commands.Choice(name=title[:100], value=job_id)
            for job_id, title in titles.items()
            if current.casefold() in title.casefold()
        ][:25]


@on_press("cancel", stoppable_job)
async def press_cancel(interaction: discord.Interaction[LikenessBot], job_id: int, _index: int) -> None:
    await _cancel(interaction, job_id)


@on_press("queue", member)
async def refresh(interaction: discord.Interaction[LikenessBot], _id: int, _index: int) -> None:
    await interaction.response.defer()
    await replace(interaction, await _card(interaction))


@on_choice("front", rule=admin)
async def move_to_front(interaction: discord.Interaction[LikenessBot], _name: str, values: list[Any]) -> None:
    """Serve a waiting job next; the admins of its own server may."""
    app, job_id = interaction.client.app, row_id(only(values))
    job = await app.jobs.get(job_id) if job_id is not None else None
    if job is None or job.guild_id != interaction.guild_id:
        raise Refusal("no_such_job")
    await interaction.response.defer()
    if not await app.jobs.move_to_front(job.id):
        raise Refusal("not_waiting")
    await app.dispatcher.queue_changed(job.kind)
    await replace(interaction, await _card(interaction))


@on_press("queuetrain", queue_keeper)
async def hold_trainings(interaction: discord.Interaction[LikenessBot], scope: int, state: int) -> None:
    await _hold(interaction, JobKind.train, scope, state)


@on_press("queuedraw", queue_keeper)
async def hold_drawings(interaction: discord.Interaction[LikenessBot], scope: int, state: int) -> None:
    await _hold(interaction, JobKind.draw, scope, state)


async def _hold(interaction: discord.Interaction[LikenessBot], kind: JobKind, scope: int, state: int) -> None:
    """Open, pause or drain a queue: for one's own server, or, as the bot's owner, for everybody."""
    guild_id = nth((guild_of(interaction), INSTALLATION), scope)
    changed = {f"queue_{kind}": nth(STATES, state)}
    await interaction.response.defer()
    app = interaction.client.app
    await app.settings.update(guild_id, **changed)
    await app.dispatcher.queue_changed(kind)
    await replace(interaction, await _card(interaction))


async def _card(interaction: discord.Interaction[LikenessBot]) -> discord.ui.LayoutView:
    app = interaction.client.app
    viewer = Viewer(
        locale=await language_of(interaction),
        user_id=interaction.user.id,
        guild_id=interaction.guild_id or 0,
        admin=interaction.permissions.manage_guild,
        owner=await interaction.client.is_owner(interaction.user),
    )
    lines = []
    for kind, lane in _LANES:
        running = [job for job in await app.jobs.running(kind) if job.lane is lane]
        waits = await app.estimates.waits(kind)
        lines.append(Line(kind, lane, running, await app.jobs.queued(kind, lane), waits))
    gates = Gates(await app.settings.get(viewer.guild_id), await app.settings.get(INSTALLATION))
    return queue_card(viewer, lines, gates)


async def _open_jobs(interaction: discord.Interaction[LikenessBot]) -> list[Job]:
    """The person's jobs here that have not ended."""
    jobs = await interaction.client.app.jobs.of_user(interaction.user.id, limit=50)
    return [job for job in jobs if job.guild_id == interaction.guild_id and not job.state.ended]


async def _cancel(interaction: discord.Interaction[LikenessBot], job_id: int) -> None:
    """Stop a job that this person may stop."""
    app, locale = interaction.client.app, await language_of(interaction)
    job = await app.jobs.get(job_id)
    if job is None:  # erased meanwhile
        raise Refusal("no_such_job")
    # Stopping a training waits for its checkpoint, which can take longer than Discord waits for us.
    await interaction.response.defer(ephemeral=True, thinking=True)
    stopped = await app.dispatcher.cancel(job_id)
    key = "cancel.stopped" if stopped else "cancel.too_late"
    # What somebody else drew in private stays theirs, also for who may stop it.
    secret = job.user_id != interaction.user.id and job.kind is JobKind.draw and DrawPayload.of(job).private
    title = (
        t(locale, "job.other_draw", id=job.id, user=f"<@{job.user_id}>") if secret else job_title(locale, job)
    )
    await answer(interaction, t(locale, key, job=title), Accent.done if stopped else Accent.waiting)


async def setup(bot: LikenessBot) -> None:
    await bot.add_cog(Queue())
