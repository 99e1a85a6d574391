from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from data.database import Database
from data.files import FileStore


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "home")


@pytest.fixture
async def db(files: FileStore) -> AsyncIterator[Database]:
    database = await Database.open(files.database)
    yield database
    await database.close()
