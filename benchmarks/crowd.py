"""A crowd on a stand-in Discord over loopback, under Discord's own rate limits.

`people` use a command at once, and the real bot process acknowledges; then `drawings` are asked for at once
in one channel, where Discord takes five messages in five seconds, and answers are lost on the way.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

from bot.app import App
from bot.config import Config
from data.cores import share_cores
from tests.bot.face import cards, eventually
from tests.fakes import ScriptedGpu
from tests.standin.crowd import burst, people
from tests.standin.faults import Fault
from tests.standin.inside import connected
from tests.standin.process import STARTING, bot_process
from tests.standin.server import StandIn, stand_in

COMMANDS: tuple[tuple[str, dict[str, object]], ...] = (
    ("imagine", {"prompt": "a cat", "steps": 1, "count": 1}),
    ("help", {}),
    ("models", {}),
    ("queue", {}),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crowd", description=__doc__)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--drawings", type=int, default=50)
    parser.add_argument("--lost", type=int, default=5, help="answers to posts that are lost, and to edits")
    arguments = parser.parse_args()
    share_cores()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_acknowledged(Path(folder) / "people", arguments.people))
        asyncio.run(_burst(Path(folder) / "drawings", arguments.drawings, arguments.lost))
    return 0


async def _acknowledged(home: Path, count: int) -> None:
    async with stand_in() as there, bot_process(there, home) as bot:
        await eventually(lambda: "connected as" in bot.said(), STARTING)
        # The process that draws is there, as it is on any but the first day.
        await there.world.visitor.slash(there.world.studio, "imagine", prompt="a dog", steps=1, count=1)
        await eventually(lambda: [card for card in cards(there.world, "a dog") if card.attachments], STARTING)
        asked: dict[str, float] = {}

        def note(event: str, payload: Mapping[str, Any]) -> None:
            if event == "INTERACTION_CREATE":
                asked[payload["id"]] = time.monotonic()

        there.world.env.backend.subscribers.append(note)
        crowd = people(there, count)
        for person, (command, options) in zip(crowd, cycle(COMMANDS), strict=False):
            await person.slash(there.world.studio, command, **options)
        await eventually(lambda: asked.keys() <= _answers(there).keys(), STARTING)
        answered = _answers(there)
        waits = sorted(answered[interaction] - at for interaction, at in asked.items())
    print(f"interactions at once     {count}, all within {max(asked.values()) - min(asked.values()):.2f} s")
    print(f"acknowledged after       {statistics.median(waits):.2f} s (median), {waits[-1]:.2f} s (last)")
    print(f"later than 3 s           {sum(wait > 3 for wait in waits)}")


def _answers(there: StandIn) -> dict[str, float]:
    """When each interaction's first answer came in."""
    calls = [call for call in there.rest.calls if call.path.endswith("/callback")]
    return {call.path.split("/")[2]: call.at for call in reversed(calls)}


async def _burst(home: Path, count: int, lost: int) -> None:
    app = App(Config(_env_file=None, home=home), gpu=ScriptedGpu())
    async with stand_in() as there:
        for method, path in (("POST", "/channels/*/messages"), ("PATCH", "/channels/*/messages/*")):
            there.rest.faults.add(Fault(method, path, done=True, times=lost))
        async with connected(app, there):
            began = time.monotonic()
            drawn = await burst(app, there, count, seconds=600)
            seconds = time.monotonic() - began
    calls = [call for call in there.rest.calls if "/messages" in call.path]
    right = sum(one.cards == one.with_pictures == [one.job.message_id] for one in drawn)
    print(f"drawings at once         {len(drawn)} in {seconds:.0f} s, {len(calls)} calls, {2 * lost} lost")
    print(f"refused with 429         {there.rest.limits.refused}")
    print(f"cards                    {sum(len(one.cards) for one in drawn)}")
    print(f"one card, its id known   {right}")


if __name__ == "__main__":
    raise SystemExit(main())
