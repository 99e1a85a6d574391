"""The bot with a Hub on loopback, and a model to take out of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from bot.app import App
from bot.config import Config
from bot.sandbox import World
from data.models import Model
from tests.bot.cogs.handovers.steps import READ_ONLY, trained
from tests.fakes import ScriptedGpu
from tests.hub import READ, HubServer, running_hub


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    with running_hub() as hub:
        hub.tokens[READ_ONLY] = hub.tokens[READ]
        yield hub


@pytest.fixture
async def app(tmp_path: Path, gpu: ScriptedGpu, hub: HubServer) -> AsyncGenerator[App, None]:
    app = App(Config(_env_file=None, home=tmp_path / "home", hub=hub.url), gpu=gpu)
    await app.start()
    yield app
    await app.close()


@pytest.fixture
async def model(here: World, app: App) -> Model:
    return await trained(app, here, here.visitor.id)
