"""The Discord client: commands, their translations, buttons, and what happens when something fails."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.translator import Translator
from bot.ui.buttons import CardButton
from bot.ui.replies import report
from bot.ui.settings_panel import LanguageSelect, SamplesSelect

if TYPE_CHECKING:
    from bot.app import App

log = logging.getLogger(__name__)

# We never speak, so its warnings about missing voice libraries would only worry people.
discord.VoiceClient.warn_nacl = False
discord.VoiceClient.warn_dave = False

EXTENSIONS = tuple(f"bot.cogs.{name}" for name in ("train", "imagine", "models", "queue", "settings", "help"))


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

    async def setup_hook(self) -> None:
        await self.tree.set_translator(Translator())
        self.add_dynamic_items(CardButton, LanguageSelect, SamplesSelect)
        for extension in EXTENSIONS:
            await self.load_extension(extension)
        await self.tree.sync()

    async def on_ready(self) -> None:
        log.info("connected as %s in %d servers", self.user, len(self.guilds))
        self.up.set()

    async def _on_command_error(
        self, interaction: discord.Interaction[LikenessBot], error: app_commands.AppCommandError
    ) -> None:
        await report(interaction, error)
