"""Kills, again and again, a random one of the bot, its trainers and its drawing process, while people ask.

The real `python -m bot run`, with real trainings and drawings of the mini model, on a stand-in Discord that
outlives it. After each kill nothing may be lost, doubled or left over; see `benchmarks.chaos_ledger`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import Any

import psutil

from benchmarks.chaos_ledger import Entry, Ledger
from benchmarks.report import BenchmarkFailed, Row
from data.files import FileStore
from data.jobs import JobKind, JobState
from tests.bot.face import cards, prepare, text_of
from tests.standin.crowd import people
from tests.standin.process import BotProcess, bot_process
from tests.standin.server import StandIn, stand_in

_PEOPLE = 6
_OPEN = 4
"""Jobs that are asked for beside each other."""
_PATIENCE = 120.0
"""Seconds that a start of the bot, or the end of what a killed one left, may take."""
_PHOTOS = 3
_GIVEN_UP = ("trainer_lost", "server_lost")


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, help="what is asked for, and what is killed when; else any")
    parser.add_argument("--pause", type=float, default=10.0, help="most seconds between two kills")
    parser.add_argument("--patience", type=float, default=900.0, help="seconds for all jobs to end in")
    parser.add_argument("--steps", type=int, default=40, help="steps of a training")
    parser.add_argument("--trainings", type=float, default=0.3, help="their share of all jobs")


def measure(arguments: argparse.Namespace) -> list[Row]:
    seed = random.randrange(2**32) if arguments.seed is None else arguments.seed
    print(f"The seed is {seed}.", flush=True)
    return asyncio.run(_measure(arguments, seed))


async def _measure(arguments: argparse.Namespace, seed: int) -> list[Row]:
    async with stand_in(scale=0.05) as there:
        chaos = _Chaos(there, arguments.room / "home", arguments, random.Random(seed))
        began = time.monotonic()
        try:
            await chaos.run()
        finally:
            chaos.end_orphans()
    if chaos.breaches:
        found = "; ".join(chaos.breaches)
        raise BenchmarkFailed(f"seed {seed}, after {chaos.killed.total()} kills: {found}")
    ended = Counter((entry.kind, entry.state) for entry in chaos.ledger.jobs.values())
    return [
        *(Row(f"kills of the {kind} process", count, "") for kind, count in sorted(chaos.killed.items())),
        *(Row(f"{kind} jobs, {state}", count, "") for (kind, state), count in sorted(ended.items())),
        Row("jobs, files, rows, cards or processes lost, doubled or left over", 0, ""),
        Row("the longest start after a kill", max(chaos.starts)),
        Row("all of it", time.monotonic() - began),
    ]


class _Chaos:
    def __init__(
        self, there: StandIn, home: Path, arguments: argparse.Namespace, dice: random.Random
    ) -> None:
        self._there = there
        self._home = home
        self._asked = arguments
        self._dice = dice
        self._crowd = people(there, _PEOPLE)
        self._numbers = itertools.count(1)
        self._asking: set[asyncio.Task[None]] = set()
        self._orphans: set[psutil.Process] = set()
        self.ledger = Ledger(FileStore(home))
        self.breaches = self.ledger.breaches
        self.killed: Counter[str] = Counter()
        self.starts: list[float] = []

    async def run(self) -> None:
        """Kill as often as was asked for, let all jobs end, stop the bot and look at everything."""
        while self.killed.total() < self._asked.kills and not self.breaches:
            async with self._bot() as bot:
                while bot.process.returncode is None and self.killed.total() < self._asked.kills:
                    await self._live()
                    await self._kill(bot)
        async with self._bot() as bot:
            try:
                before = len(self.ledger.jobs)
                await self._imagine(next(self._numbers))  # what is left still does what it is for
                await _until(lambda: self._all_over(before), self._asked.patience)
            except TimeoutError:
                waiting = ", ".join(f"{entry.id} {entry.state}" for entry in self._open())
                self.breaches.append(f"jobs that do not end: {waiting}")
            await self._stop(bot)
        await asyncio.to_thread(self.ledger.look_for_leftovers)
        self._look_at_cards()
        with contextlib.suppress(TimeoutError):
            await _until(lambda: not any(map(_lives, self._orphans)), _PATIENCE)
        self.breaches += [f"process {one.pid} was left behind" for one in self._orphans if _lives(one)]

    def end_orphans(self) -> None:
        """Whatever happened: nothing that the bot has started outlives this."""
        for process in self._orphans:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    @contextlib.asynccontextmanager
    async def _bot(self) -> AsyncGenerator[BotProcess, None]:
        began = time.monotonic()
        before = self._there.gateway.identified
        async with bot_process(self._there, self._home) as bot:
            await _until(lambda: self._there.gateway.identified > before or _ended(bot), _PATIENCE)
            if _ended(bot):
                raise BenchmarkFailed(f"the bot does not start any more: {bot.said()[-2000:]}")
            self.starts.append(time.monotonic() - began)
            await asyncio.to_thread(self.ledger.look)
            yield bot

    async def _live(self) -> None:
        """People ask, and time passes."""
        if len(self._open()) + len(self._asking) < _OPEN:
            wish = self._train if self._dice.random() < self._asked.trainings else self._imagine
            self._begin(wish(next(self._numbers)))
        await asyncio.sleep(self._dice.uniform(0, self._asked.pause))

    def _begin(self, wish: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(wish)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _imagine(self, number: int) -> None:
        here, person = self._there.world, self._dice.choice(self._crowd)
        await person.slash(
            here.studio, "imagine", prompt=f"a cat with the number {number:04}", steps=10, count=2
        )

    async def _train(self, number: int) -> None:
        here, person = self._there.world, self._dice.choice(self._crowd)
        # Whoever asks a bot that dies before it has said yes asks in vain: nothing was promised.
        with contextlib.suppress(TimeoutError):
            sheet = await prepare(here, _PHOTOS, person, name=f"face{number:04}", steps=self._asked.steps)
            await _until(lambda: sheet.response is not None and "Start" in text_of(sheet.response), 20)
            assert sheet.response is not None
            await person.click(sheet.response, label="Start")

    async def _kill(self, bot: BotProcess) -> None:
        root = psutil.Process(bot.process.pid)
        with contextlib.suppress(psutil.NoSuchProcess):
            children = root.children()
            victims = {"bot": root} | {_kind(child): child for child in children}
            kind = self._dice.choice(sorted(victims))
            self._orphans.update(root.children(recursive=True))
            victims[kind].kill()
            self.killed[kind] += 1
            if kind == "bot":
                await bot.process.wait()
                return
        await asyncio.sleep(0)
        if _ended(bot):
            self.breaches.append(f"the bot ended by itself: {bot.said()[-2000:]}")
            return
        await asyncio.to_thread(self.ledger.look)

    async def _stop(self, bot: BotProcess) -> None:
        self._orphans.update(psutil.Process(bot.process.pid).children(recursive=True))
        if status := await bot.stop():
            self.breaches.append(f"the bot ended with exit status {status}")

    def _all_over(self, before: int) -> bool:
        self.ledger.look()
        return len(self.ledger.jobs) > before and not self._asking and not self._open()

    def _open(self) -> list[Entry]:
        return [entry for entry in self.ledger.jobs.values() if entry.open]

    def _look_at_cards(self) -> None:
        """Each job has one card, and each new model one in the gallery."""
        here = self._there.world
        for entry in self.ledger.jobs.values():
            trains = entry.kind is JobKind.train
            # A drawing's card names the model that drew it, but not its class.
            said = f"{entry.wish} (person)" if trains else entry.wish
            shown = [card.channel.id for card in cards(here, said)]
            wanted = [here.studio.id]
            if trains and entry.state is JobState.done:
                wanted.append(here.prompts.id)
            if sorted(shown) != sorted(wanted):
                self.breaches.append(f"{entry.wish!r} has {len(shown)} cards and not {len(wanted)}")
            # Killed again and again before it had gained anything, a job may be given up: that is an end.
            if entry.state is not JobState.done and entry.error_code not in _GIVEN_UP:
                self.breaches.append(f"{entry.wish!r} ended {entry.state} ({entry.error_code})")


async def _until(reached: Callable[[], bool], seconds: float) -> None:
    """Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            if reached():
                return
            await asyncio.sleep(0.5)


def _ended(bot: BotProcess) -> bool:
    return bot.process.returncode is not None


def _lives(process: psutil.Process) -> bool:
    """Whether a process works; one that ended may wait for somebody to ask how."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _kind(process: psutil.Process) -> str:
    """What a child of the bot does: `trainer`, `inference`."""
    words = process.cmdline()
    return words[words.index("-m") + 1] if "-m" in words else process.name()
