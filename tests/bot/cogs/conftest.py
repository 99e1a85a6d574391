"""The real bot in a simulated Discord, with a scripted Gpu."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bot.app import App
from bot.config import Config
from bot.sandbox import World, world
from bot.services.refusal import Refusal
from tests.fakes import ScriptedGpu
from tests.standin.contract import absent, breach


@pytest.fixture
def gpu() -> ScriptedGpu:
    return ScriptedGpu()


@pytest.fixture
async def app(tmp_path: Path, gpu: ScriptedGpu) -> AsyncGenerator[App, None]:
    app = App(Config(_env_file=None, home=tmp_path), gpu=gpu)
    await app.start()
    yield app
    await app.close()


@pytest.fixture
async def here(app: App) -> AsyncGenerator[World, None]:
    async with world(app) as here:
        yield here
        unexpected = [error for error in here.env.errors if not isinstance(error.__cause__ or error, Refusal)]
        assert unexpected == []
    if absent() is None:
        sent = here.env.backend.http_requests
        assert [wrong for one in sent if (wrong := breach(one.method, one.path, one.json))] == []
