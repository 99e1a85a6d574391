"""`/status`: what this installation runs on and how busy it is."""

from __future__ import annotations

import asyncio
import logging
import time
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import discord
import psutil
from discord import app_commands
from discord.ext import commands

from bot.locales import t
from bot.translator import text
from bot.ui.look import Accent, card, duration, quoted, rule
from bot.ui.replies import language_of, show
from data.jobs import JobKind

if TYPE_CHECKING:
    from bot.app import App
    from bot.client import LikenessBot

log = logging.getLogger(__name__)

_PROJECT = Path(__file__).parents[2] / "pyproject.toml"

_DEVICE_SECONDS = 5.0
"""How long the answer waits for a drawing process that may just be starting."""


class Status(commands.Cog):
    @app_commands.command(name=text("command.status.name"), description=text("command.status.description"))
    async def status(self, interaction: discord.Interaction[LikenessBot]) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        app, locale = interaction.client.app, await language_of(interaction)
        settings = await app.settings.get(interaction.guild_id or 0)
        backends = ", ".join(t(locale, f"backend.{backend}") for backend in settings.backends)
        lines = [
            ("device", await _device(locale, app)),
            ("memory", _memory(locale)),
            ("base", quoted(app.config.base, 60)),
            ("backends", backends),
            *[(f"queue_{kind}", await _queue(locale, app, kind)) for kind in JobKind],
            ("uptime", duration(locale, time.time() - psutil.Process().create_time())),
            ("version", _version()),
        ]
        facts = "\n".join(f"**{t(locale, f'status.{name}')}** {said}" for name, said in lines)
        await show(interaction, card(Accent.working, f"## {t(locale, 'status.title')}", rule(), facts))


async def _device(locale: str, app: App) -> str:
    """What draws. A process that is still starting goes on doing so; only this answer stops waiting."""
    try:
        async with asyncio.timeout(_DEVICE_SECONDS):
            ready = await app.gpu.device()
    except TimeoutError:
        return t(locale, "status.starting")
    except OSError as error:
        log.warning("the drawing process is not there: %s", error)
        return t(locale, "status.down")
    return t(locale, "status.device_facts", device=quoted(ready.device), free=f"{ready.memory_gib:.1f}")


async def _queue(locale: str, app: App, kind: JobKind) -> str:
    running, waiting = await app.jobs.running(kind), await app.jobs.queued(kind)
    return t(locale, "status.queue_facts", running=len(running), waiting=len(waiting))


def _memory(locale: str) -> str:
    memory = psutil.virtual_memory()
    free, total = (f"{size / 2**30:.1f}" for size in (memory.available, memory.total))
    return t(locale, "status.memory_facts", free=free, total=total)


def _version() -> str:
    try:
        return version("likeness")
    except PackageNotFoundError:  # run from a checkout
        project = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))
        return str(project["project"]["version"])


async def setup(bot: LikenessBot) -> None:
    await bot.add_cog(Status())
