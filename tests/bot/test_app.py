import asyncio
import os
from pathlib import Path

import pytest

from bot.app import App, HomeInUse
from bot.config import Config
from bot.health import healthy
from data.jobs import Job, Jobs
from inference.errors import ModelError
from tests.fakes import ScriptedGpu


def app_in(home: Path, base: str = "mini") -> App:
    return App(Config(_env_file=None, home=home, discord_token=None, base=base), ScriptedGpu())


async def test_an_app_starts_closes_and_starts_again(tmp_path: Path) -> None:
    for _ in range(2):
        app = app_in(tmp_path)
        await app.start()
        assert await app.jobs.of_user(1) == []
        await app.close()


async def test_two_apps_can_not_share_a_home(tmp_path: Path) -> None:
    first, second = app_in(tmp_path), app_in(tmp_path)
    await first.start()
    with pytest.raises(HomeInUse, match="already works in"):
        await second.start()
    await first.close()
    await second.start()
    await second.close()


async def test_a_start_that_fails_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: Jobs) -> list[Job]:
        raise OSError("the disk is gone")

    app = app_in(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="gone"):
        patch.setattr(Jobs, "requeue_running", broken)
        await app.start()
    # The lock is free and no thread holds the database: the next start finds both.
    again = app_in(tmp_path)
    await again.start()
    await again.close()


async def test_a_sign_of_life_is_there_while_an_app_works(tmp_path: Path) -> None:
    assert not healthy(tmp_path)
    app = app_in(tmp_path)
    await app.start()
    async with asyncio.timeout(10):
        while not healthy(tmp_path):
            await asyncio.sleep(0.05)
    await app.close()
    os.utime(tmp_path / "heartbeat", (0, 0))
    assert not healthy(tmp_path)


async def test_a_base_of_no_use_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nor a folder, nor an id"):
        await app_in(tmp_path, base="no such/base").start()


async def test_a_base_that_can_not_be_looked_at_now_does_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for base, said in (("some/model", "the Hub can't be reached"), ("sd15", "are unchecked")):
        app = app_in(tmp_path, base)
        await app.start()
        await app.close()
        assert said in caplog.text
