"""Many people at once in one channel, under Discord's rate limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.app import App
from bot.config import Config
from tests.fakes import ScriptedGpu
from tests.standin.crowd import burst
from tests.standin.faults import Fault
from tests.standin.inside import connected
from tests.standin.server import stand_in

SCALE = 0.15
"""Fifty posts then take as long as somebody who waits for a post might bear: over five seconds."""


async def test_each_of_fifty_drawings_at_once_gets_one_card_though_answers_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.messenger.RETRY_SECONDS", 0.05)
    app = App(Config(_env_file=None, home=tmp_path), gpu=ScriptedGpu())
    async with stand_in(scale=SCALE) as there:
        for request in (("POST", "/channels/*/messages"), ("PATCH", "/channels/*/messages/*")):
            there.rest.faults.add(Fault(*request, done=True))
            there.rest.faults.add(Fault(*request, 504, done=True))
        async with connected(app, there):
            drawn = await burst(app, there, 50, seconds=120)
        assert there.rest.breaches == []
    assert [one.cards for one in drawn] == [[one.job.message_id] for one in drawn]
    assert [one.with_pictures for one in drawn] == [one.cards for one in drawn]
