"""Many people use `/imagine` in the same moment: how long each waits for a sign, and what it costs the bot.

The real bot with its real queue, database and inference process; only Discord is simulated, in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import discord
import psutil
from simcord.enums import InteractionType
from simcord.interactions import base_payload

from benchmarks.report import Row, percentile
from bot.app import App
from bot.config import Config
from bot.sandbox import World, world


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--steps", type=int, default=4, help="denoising steps a picture")
    parser.add_argument("--pictures", type=int, default=1, help="pictures that each person asks for")


def measure(arguments: argparse.Namespace) -> list[Row]:
    return asyncio.run(_measure(arguments, arguments.room))


async def _measure(arguments: argparse.Namespace, home: Path) -> list[Row]:
    app = App(Config(_env_file=None, discord_token=None, home=home))
    await app.start()
    try:
        async with world(app) as here:
            await app.gpu.device()
            rows = await _Crowd(app, here, arguments).run()
    finally:
        await app.close()
    return rows


class _Crowd:
    def __init__(self, app: App, here: World, arguments: argparse.Namespace) -> None:
        self._app = app
        self._here = here
        self._asked = arguments
        self._process = psutil.Process()
        self._most_bytes = 0
        self._acknowledged: dict[int, float] = {}
        """Interaction -> when Discord had its acknowledgement."""

    async def run(self) -> list[Row]:
        env, guild = self._here.env, self._here.guild
        people = [
            guild.add_member(env.create_user(f"person{number}")) for number in range(self._asked.people)
        ]
        before = self._process.memory_info().rss
        acknowledge = discord.InteractionResponse.defer
        noted = self._acknowledged

        async def noting(response: discord.InteractionResponse[Any], **options: Any) -> Any:
            result = await acknowledge(response, **options)
            noted[response._parent.id] = time.perf_counter()
            return result

        watching = asyncio.create_task(self._watch_memory())
        with patch.object(discord.InteractionResponse, "defer", noting):
            began = time.perf_counter()
            sent = [self._slash(person.id) for person in people]
            await self._until_none("message_id IS NULL", at_least=len(people))
            carded = time.perf_counter() - began
        await self._until_none("announced = 0", at_least=len(people))
        ended = time.perf_counter() - began
        done = await self._count("state = 'done'")
        watching.cancel()
        waits = [noted[one] - began for one in sent if one in noted]
        title = f"{len(people)} people at once"
        return [
            Row(f"{title}, acknowledged, median", statistics.median(waits)),
            Row(f"{title}, acknowledged, p95", percentile(waits, 0.95)),
            Row(f"{title}, acknowledged, the last", max(waits)),
            Row(f"{title}, all have their card", carded),
            Row(f"{title}, all have their pictures", ended),
            Row(f"{title}, requests without an acknowledgement", len(people) - len(waits), ""),
            Row(f"{title}, requests lost", len(people) - done, ""),
            Row("memory of the bot before", before / 2**20, "MiB"),
            Row("memory of the bot at most, with the simulated Discord", self._most_bytes / 2**20, "MiB"),
        ]

    def _slash(self, user_id: int) -> int:
        """Send the command as the gateway would; nothing is waited for."""
        backend, guild, studio = self._here.env.backend, self._here.guild, self._here.studio
        commands = backend.visible_commands(user_id=user_id, channel_id=studio.id)
        imagine = next(command for command in commands if command["name"] == "imagine")
        values = {"prompt": "photo of a person", "count": self._asked.pictures, "steps": self._asked.steps}
        types = {option["name"]: option["type"] for option in imagine["options"]}
        record, payload = base_payload(
            backend,
            type=InteractionType.APPLICATION_COMMAND,
            channel_id=studio.id,
            guild_id=guild.id,
            user_id=user_id,
            data={
                "id": imagine["id"],
                "name": "imagine",
                "type": 1,
                "options": [
                    {"name": name, "type": types[name], "value": value} for name, value in values.items()
                ],
            },
        )
        backend.emit("INTERACTION_CREATE", payload)
        return record.id

    async def _until_none(self, condition: str, at_least: int) -> None:
        """Wait until all jobs are there and none of them is so."""
        while True:
            if await self._count("TRUE") >= at_least and not await self._count(condition):
                return
            await asyncio.sleep(0.1)

    async def _count(self, condition: str) -> int:
        row = await self._app.db.row(f"SELECT COUNT(*) FROM jobs WHERE {condition}")
        return int(row[0]) if row else 0

    async def _watch_memory(self) -> None:
        while True:
            self._most_bytes = max(self._most_bytes, self._process.memory_info().rss)
            await asyncio.sleep(0.1)
