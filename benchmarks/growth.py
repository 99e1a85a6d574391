"""People use a bot for as long as you like: whether its memory, and its number of objects, goes on growing.

The real bot process with its real database, queue and photo reader, on a Discord that runs here; its GPU is
scripted. Figures are of every tenth of the time: but for its beginning, the line should be flat.
MALLOC_ARENA_MAX=64 in front of the command shows how it was before arenas were bounded.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import discord
import psutil
from simcord.actors import MemberActor
from simcord.results import InteractionResult, ResponseMessage

from benchmarks.growth_bot import OBJECTS
from benchmarks.report import BenchmarkFailed, Row
from tests.bot.face import eventually, parts_of, prepare, text_of
from tests.standin.process import STARTING, bot_process
from tests.standin.server import StandIn, stand_in

_ROWS = 10
_LOOKED_AT = 300
"""Messages of a channel that people still see; older ones the simulated Discord forgets."""
_COMMANDS = ("models", "queue", "prompts top", "prompts new", "privacy", "help", "status")
_BUTTONS = ("vary", "upscale", "again", "newseed", "details", "share", "delete", "works", "download")


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--people", type=int, default=8, help="people who use the bot all the time")


def measure(arguments: argparse.Namespace) -> list[Row]:
    return asyncio.run(_measure(arguments.room / "home", 60 * arguments.minutes, arguments.people))


async def _measure(home: Path, seconds: float, count: int) -> list[Row]:
    async with (
        stand_in(scale=0.02) as there,
        bot_process(there, home, launcher="benchmarks.growth_bot") as bot,
    ):
        await eventually(lambda: "connected as Likeness" in bot.said(), STARTING)
        env, guild = there.world.env, there.world.guild
        people = [_Person(there, guild.add_member(env.create_user(f"person {n}")), n) for n in range(count)]
        lives = [asyncio.create_task(person.live()) for person in people]
        process, rows = psutil.Process(bot.process.pid), []
        for number in range(_ROWS + 1):
            minutes = number * seconds / _ROWS / 60
            rows.append(Row(f"memory after {minutes:.1f} min", process.memory_info().rss / 2**20, "MiB"))
            objects = int(await asyncio.to_thread((home / OBJECTS).read_text))
            rows.append(Row(f"objects after {minutes:.1f} min", objects, ""))
            if number < _ROWS:
                await asyncio.sleep(seconds / _ROWS)
        for life in lives:
            life.cancel()
        for ended in await asyncio.gather(*lives, return_exceptions=True):
            if isinstance(ended, Exception):
                raise BenchmarkFailed(f"somebody could not go on: {ended!r}") from ended
        rows.append(Row("things done", sum(person.done for person in people), ""))
        rows.append(Row("defects in the bot's log", bot.said().count("Traceback"), ""))
    return rows


class _Person:
    """Does one thing after the other, whatever the answer is."""

    def __init__(self, there: StandIn, actor: MemberActor, number: int) -> None:
        self._there = there
        self._world = there.world
        self._actor = actor
        self._chance = random.Random(number)
        self.done = 0

    async def live(self) -> None:
        habits: list[Callable[[], Awaitable[InteractionResult | None]]] = [
            *[self._imagine] * 6,
            *[self._press] * 8,
            *[self._look] * 4,
            self._train,
        ]
        while True:
            if (told := await self._chance.choice(habits)()) is not None:
                await _answered(told)
                self.done += 1
            self._forget()
            await asyncio.sleep(self._chance.uniform(0.2, 1.5))

    async def _imagine(self) -> InteractionResult:
        words = self._chance.choice(("a cat", "a king", "a lighthouse", "me as an astronaut"))
        count = self._chance.randint(1, 4)
        return await self._actor.slash(self._world.studio, "imagine", prompt=words, count=count, steps=20)

    async def _look(self) -> InteractionResult:
        told = await self._actor.slash(self._world.studio, self._chance.choice(_COMMANDS))
        await _answered(told)
        if told.response is not None and self._chance.random() < 0.3:
            await self._click(told.response)
        return told

    async def _press(self) -> InteractionResult | None:
        seen = [*self._world.studio.history()[-15:], *self._world.prompts.history()[-5:]]
        cards = [message for message in seen if message.attachments]
        return await self._click(self._chance.choice(cards)) if cards else None

    async def _click(self, card: discord.Message | ResponseMessage) -> InteractionResult | None:
        ids = [str(part.get("custom_id", "")) for part in parts_of(card)]
        wanted = [one for one in ids if one.split(":")[0] in _BUTTONS]
        if not wanted:
            return None
        return await self._actor.click(card, custom_id=self._chance.choice(wanted))

    async def _train(self) -> InteractionResult:
        sheet = await prepare(self._world, by=self._actor, name=f"face{self._chance.randint(1, 99)}")
        await _answered(sheet)
        if sheet.response is not None and "Start" in text_of(sheet.response).splitlines():
            await self._actor.click(sheet.response, label="Start")
        return sheet

    def _forget(self) -> None:
        for kept in self._world.env.backend.messages.values():
            for old in sorted(kept)[:-_LOOKED_AT]:
                del kept[old]
        self._there.rest.calls.clear()


async def _answered(told: InteractionResult) -> None:
    """Wait for an answer; a bot that has very much to do may answer the next thing."""
    with suppress(AssertionError):
        await eventually(lambda: told.response, 30)
