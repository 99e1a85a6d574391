"""What tests of the bot share."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import pytest

from trainer.intake import Ask, Found, find
from trainer.photos import look

_look_once = lru_cache(maxsize=256)(look)


async def _read_here(files: Sequence[Path], *, size: int, class_name: str, **_: object) -> list[Found]:
    asks = [Ask(file=file, size=size, class_name=class_name, seconds=0) for file in files]
    return [await asyncio.to_thread(find, ask) for ask in asks]


@pytest.fixture(autouse=True)
def quick_intake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos are read as ever, but in this process, and the few that all tests send are looked at once.

    Starting another process takes longer than most tests. A test marked `real_intake` is about that process;
    the bot's own process always starts it.
    """
    if request.node.get_closest_marker("real_intake") is None:
        monkeypatch.setattr("bot.services.intake.read_photos", _read_here)
        monkeypatch.setattr("trainer.intake.look", _look_once)
