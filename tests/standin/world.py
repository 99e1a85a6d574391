"""Who and what is on the simulated Discord: SimCord's server and people, without a bot in SimCord's hand."""

from __future__ import annotations

import discord
from simcord.actors import MemberActor
from simcord.env import Env

from bot.sandbox import Today, World


class Street(Env):
    """SimCord's world for a bot that comes over the wire, from another process or another task.

    SimCord lets every action of a person wait until its own bot has nothing left to do. Here nobody knows
    when that is, so actions return at once, and tests wait for what they want to see.
    """

    def __init__(self) -> None:
        # It never connects: it turns what is stored into discord.py's objects.
        reader = discord.Client(intents=discord.Intents(guilds=True))
        super().__init__(reader, check_errors=False)
        self._message_states.add(reader._connection)
        self.backend.clock = Today()
        self.backend.edit_bot_profile("Likeness")

    async def _settle_internal(self, **_: object) -> None:
        pass


def new_world() -> World:
    """A server with two channels and its owner, who has the rights of an admin."""
    env = Street()
    visitor = env.create_user("you")
    guild = env.create_guild("Likeness studio", owner=visitor)
    studio, prompts = guild.create_text_channel("studio"), guild.create_text_channel("prompts")
    return World(env, guild, studio, prompts, MemberActor(env, guild, visitor))
