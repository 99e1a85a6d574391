"""`/queue` and `/cancel`: what waits, what runs, and how to stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.locales import t
from bot.services.refusal import Refusal
from bot.translator import text
from bot.ui.buttons import on_press
from bot.ui.lists import cancel_card, job_title, queue_card
from bot.ui.look import Accent
from bot.ui.replies import answer, language_of, show
from data.jobs import Job, JobKind

if TYPE_CHECKING:
    from bot.client import LikenessBot


class Queue(commands.Cog):
    @app_commands.command(name=text("command.queue.name"), description=text("command.queue.description"))
    @app_commands.guild_only()
    async def queue(self, interaction: discord.Interaction[LikenessBot]) -> None:
        jobs = interaction.client.app.jobs
        running = [job for kind in JobKind for job in await jobs.running(kind)]
        queued = [job for kind in JobKind for job in await jobs.queued(kind)]
        locale, guild_id = await language_of(interaction), interaction.guild_id or 0
        await show(interaction, queue_card(locale, running, queued, interaction.user.id, guild_id))

    @app_commands.command(name=text("command.cancel.name"), description=text("command.cancel.description"))
    @app_commands.describe(job=text("option.job.description"))
    @app_commands.guild_only()
    async def cancel(self, interaction: discord.Interaction[LikenessBot], job: int | None = None) -> None:
        if job is not None:
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


@on_press("cancel")
async def press_cancel(interaction: discord.Interaction[LikenessBot], job_id: int, _index: int) -> None:
    await _cancel(interaction, job_id)


async def _open_jobs(interaction: discord.Interaction[LikenessBot]) -> list[Job]:
    """The person's jobs here that have not ended."""
    jobs = await interaction.client.app.jobs.of_user(interaction.user.id, limit=50)
    return [job for job in jobs if job.guild_id == interaction.guild_id and not job.state.ended]


async def _cancel(interaction: discord.Interaction[LikenessBot], job_id: int) -> None:
    """Stop a job; its owner may, and who manages the server."""
    app, locale = interaction.client.app, await language_of(interaction)
    job = await app.jobs.get(job_id)
    if job is None or job.guild_id != interaction.guild_id:
        raise Refusal("no_such_job")
    if job.user_id != interaction.user.id and not interaction.permissions.manage_guild:
        raise Refusal("not_yours")
    # Stopping a training waits for its checkpoint, which can take longer than Discord waits for us.
    await interaction.response.defer(ephemeral=True, thinking=True)
    stopped = await app.dispatcher.cancel(job_id)
    key = "cancel.stopped" if stopped else "cancel.too_late"
    await answer(
        interaction, t(locale, key, job=job_title(locale, job)), Accent.done if stopped else Accent.waiting
    )


async def setup(bot: LikenessBot) -> None:
    await bot.add_cog(Queue())
