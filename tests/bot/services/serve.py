"""A bot without Discord, to be killed: `python -m tests.bot.services.serve HOME` serves a home's queue."""

import asyncio
import sys
from pathlib import Path

from bot.gpu.local import LocalGpu
from data.database import Database
from data.files import FileStore
from tests.bot.services.house import House, Recorder


async def serve(home: Path) -> None:
    files = FileStore(home)
    house = House(await Database.open(files.database), files)
    await house.dispatcher(LocalGpu(files.logs), Recorder()).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
