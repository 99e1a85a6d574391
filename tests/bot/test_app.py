from pathlib import Path

import pytest

from bot.app import App, HomeInUse
from bot.config import Config
from tests.fakes import ScriptedGpu


def app_in(home: Path) -> App:
    return App(Config(_env_file=None, home=home, discord_token=None), ScriptedGpu())


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
