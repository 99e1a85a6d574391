"""The Discord client: commands, their translations, buttons, and what happens when something fails."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import json
import logging
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot import webhooks
from bot.faults import FAULTS, Fault, fault_of
from bot.permissions import tell_missing
from bot.translator import Translator
from bot.ui.buttons import CardButton
from bot.ui.forms import submitted
from bot.ui.replies import report
from bot.ui.selects import CardChannelSelect, CardRoleSelect, CardSelect

if TYPE_CHECKING:
    from bot.app import App

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds between two tries to log in: each pause is twice as long as the one before."""

# We never speak, so its warnings about missing voice libraries would only worry people.
discord.VoiceClient.warn_nacl = False
discord.VoiceClient.warn_dave = False

COGS = (
    "train",
    "imagine",
    "results",
    "prompts",
    "styles",
    "models",
    "publish",
    "queue",
    "status",
    "settings",
    "endpoint",
    "privacy",
    "reports",
    "help",
)
"""The modules of `bot.cogs`, each with a `setup` for the client, in the order of their commands."""


class LikenessBot(commands.AutoShardedBot):
    """The face of an `App`. Needs no privileged intent: it never reads messages."""

    def __init__(self, app: App) -> None:
        super().__init__(
            command_prefix=commands.when_mentioned,
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            help_command=None,
        )
        self.app = app
        self.up = asyncio.Event()
        """Set once the client is connected; before that there is nobody to post a card."""
        self.tree.error(self._on_command_error)

    async def start(self, token: str, *, reconnect: bool = True) -> None:
        """Serve until closed. While Discord can't be reached or is in trouble, try to log in again.

        Raises discord.LoginFailure, and discord.HTTPException for what Discord refuses for good.
        """
        pause = FIRST_PAUSE
        while True:
            try:
                return await super().start(token, reconnect=reconnect)
            except (*FAULTS, discord.GatewayNotFound) as error:
                if self.is_closed() or fault_of(error) in (Fault.gone, Fault.refused):
                    raise
                log.warning("Discord can't be reached, trying again in %.0f s: %s", pause, error)
            await self._hang_up()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _hang_up(self) -> None:
        """Leave nothing open of a log-in that failed: each begins with connections of its own."""
        await self.http.close()
        self.http.connector = discord.utils.MISSING

    async def setup_hook(self) -> None:
        webhooks.install()
        await self.tree.set_translator(Translator())
        self.add_dynamic_items(CardButton, CardChannelSelect, CardRoleSelect, CardSelect)
        if not self.cogs:  # else there are those of a log-in that failed afterwards
            for name in COGS:
                await importlib.import_module(f"bot.cogs.{name}").setup(self)
        await self.tell_commands()

    async def on_ready(self) -> None:
        log.info("connected as %s in %d servers", self.user, len(self.guilds))
        self.up.set()
        await self.app.janitor.note_guilds()
        for guild in self.guilds:
            await tell_missing(self.app, guild)

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        """Log what broke off an event, but not the end of the bot, which closes the database beneath it."""
        if not self.is_closed():
            await super().on_error(event_method, *args, **kwargs)

    async def on_interaction(self, interaction: discord.Interaction[LikenessBot]) -> None:
        """Answer forms; commands, buttons and menus are discord.py's to look up."""
        if interaction.type is discord.InteractionType.modal_submit:
            await submitted(interaction)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        await self.app.janitor.came_back(guild.id)
        await tell_missing(self.app, guild)

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        log.info("removed from server %d", guild.id)
        await self.app.janitor.left(guild.id)

    async def tell_commands(self) -> None:
        """Tell Discord the commands, but only when they changed: it allows few such calls a day."""
        translator = self.tree.translator
        assert translator is not None
        payload = [
            await command.get_translated_payload(self.tree, translator)
            for command in self.tree.get_commands(type=None)
        ]
        text = json.dumps([self.application_id, payload], sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode()).hexdigest()
        if digest == await self.app.notes.get("commands"):
            # Somebody else may have changed them there, with the same token.
            there = {(command.name, command.type) for command in await self.tree.fetch_commands()}
            if there == {(one["name"], discord.AppCommandType(one["type"])) for one in payload}:
                return
        await self.tree.sync()
        await self.app.notes.put("commands", digest)
        log.info("told Discord %d commands", len(payload))

    async def _on_command_error(
        self, interaction: discord.Interaction[LikenessBot], error: app_commands.AppCommandError
    ) -> None:
        await report(interaction, error)


class CommandsOnly(LikenessBot):
    """Tells Discord the commands, whatever it was told before, for an `App` that was not started."""

    async def tell_commands(self) -> None:
        await self.tree.sync()
