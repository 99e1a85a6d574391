from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from data.database import Database
from data.files import FileStore
from tests.bot.services.house import House, Recorder
from tests.endpoint_server import Container


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    files = FileStore(tmp_path / "home")
    db = await Database.open(files.database)
    house = House(db, files)
    yield house
    await house.client.close()
    await db.close()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def container() -> AsyncIterator[Container]:
    async with Container().served() as container:
        yield container
