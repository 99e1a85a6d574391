"""The sandbox: the real bot, unmodified, in a simulated Discord on this machine.

`python -m bot run` without a token opens it as a web page; the demo drives the same world by script.
"""

from __future__ import annotations

import asyncio
import io
import logging
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import discord
from discord import ui
from simcord._clock import Clock
from simcord.actors import MemberActor
from simcord.backend.models import User
from simcord.builders import ChannelHandle, GuildHandle, UserHandle
from simcord.env import Env

from bot.app import App
from bot.cards import post_card
from bot.locales import DEFAULT, language_for, t
from bot.sandbox_page import PortTaken, pages
from bot.selfies import FOLDER, strip
from bot.ui.buttons import CardButton
from bot.ui.look import Accent, card, rule
from data.jobs import JobKind

log = logging.getLogger(__name__)

# The world is new at every start but its people are not: who trained a model yesterday still owns it.
GUILD_ID = 700_000_000_000_000_001
VISITOR_ID = 700_000_000_000_000_002

SETTLE_SECONDS = 120.0
"""How long one action may keep the bot busy: a training that is cancelled writes a checkpoint first."""


@dataclass(frozen=True, slots=True)
class World:
    """A server of one person, with the bot in it."""

    env: Env
    guild: GuildHandle
    studio: ChannelHandle
    prompts: ChannelHandle
    visitor: MemberActor


class Today(Clock):
    """SimCord's clock, made to begin now, so that messages carry today's date."""

    def __init__(self) -> None:
        super().__init__()
        self._epoch = datetime.now(UTC)


@asynccontextmanager
async def world(app: App) -> AsyncGenerator[World, None]:
    """The bot of a started `app`, connected to a simulated Discord."""
    env = Env(app.bot, shard_count=1, check_errors=False, settle_timeout=SETTLE_SECONDS)
    env.backend.clock = Today()
    env.backend.edit_bot_profile("Likeness")
    user = User(id=env.backend.reserve_id(VISITOR_ID), name="you")
    env.backend.users[user.id] = user
    visitor = UserHandle(env, user)
    # Before the bot connects: it then finds its channels at once, as on Discord.
    guild = env.create_guild("Likeness studio", id=GUILD_ID, owner=visitor)
    studio = guild.create_text_channel("studio", topic="Type / to begin.")
    prompts = guild.create_text_channel("prompts", topic="First pictures of new models")
    await env.start()
    try:
        yield World(env, guild, studio, prompts, MemberActor(env, guild, visitor))
    finally:
        await env.shutdown()


async def run(app: App, port: int) -> int:
    """Serve the sandbox's page until cancelled; 1 when its port is taken."""
    async with world(app) as here:
        await _move_in(app, here)
        await _welcome(app, here)
        try:
            async with pages(here.env, (here.studio, here.prompts), here.visitor, port) as opened:
                print(t(DEFAULT, "sandbox.report", url=opened.url), flush=True)
                await opened.follow()
        except PortTaken as error:
            print(t(DEFAULT, "sandbox.port_taken", port=error.port), file=sys.stderr)
            return 1


async def _move_in(app: App, here: World) -> None:
    """Give the jobs that an earlier world left unfinished a card in this one."""
    for kind in JobKind:
        for job in [*await app.jobs.running(kind), *await app.jobs.queued(kind)]:
            await post_card(app, job, here.studio.id)


async def _welcome(app: App, here: World) -> None:
    file = discord.File(io.BytesIO(await asyncio.to_thread(strip)), "selfies.jpg")
    channel = app.bot.get_partial_messageable(here.studio.id, guild_id=here.guild.id)
    language = language_for((await app.settings.get(here.guild.id)).language)
    await channel.send(view=welcome_card(language, file), file=file)


def welcome_card(locale: str, photos: discord.File) -> ui.LayoutView:
    """What a newcomer sees first: what this is, faces to train on, and one button that does it."""
    gallery = ui.MediaGallery[Any]().add_item(media=photos, description=t(locale, "sandbox.alt"))
    start = CardButton(
        "selfies", 0, label=t(locale, "button.selfies"), emoji="✨", style=discord.ButtonStyle.primary
    )
    return card(
        Accent.working,
        f"## {t(locale, 'sandbox.welcome')}\n{t(locale, 'sandbox.intro')}",
        gallery,
        t(locale, "sandbox.selfies"),
        ui.ActionRow[Any](start),
        rule(),
        f"-# {t(locale, 'sandbox.own', folder=FOLDER.relative_to(FOLDER.parents[1]))}",
    )
