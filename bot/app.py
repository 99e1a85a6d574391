"""Builds each part once and wires them; nothing else constructs services."""

from __future__ import annotations

import asyncio
import fcntl
import logging
from contextlib import AsyncExitStack
from typing import IO

from bot.cards import Cards
from bot.client import LikenessBot
from bot.config import Config
from bot.gpu.base import Gpu
from bot.gpu.local import LocalGpu
from bot.health import beat
from bot.services.imagining import ImagineService
from bot.services.queue import Dispatcher
from bot.services.training import TrainingService
from data.database import Database
from data.files import FileStore
from data.jobs import Jobs
from data.models import Models
from data.pictures import Pictures
from data.settings import Settings

logger = logging.getLogger(__name__)


class HomeInUse(RuntimeError):
    """Another bot works in the same folder; two writers would ruin each other's jobs."""


class App:
    """The whole product but for the connection to Discord, which whoever starts it makes with `bot`."""

    db: Database
    jobs: Jobs
    models: Models
    pictures: Pictures
    settings: Settings
    dispatcher: Dispatcher
    training: TrainingService
    imagining: ImagineService
    bot: LikenessBot

    def __init__(self, config: Config, gpu: Gpu | None = None) -> None:
        self.config = config
        self.files = FileStore(config.home)
        self.gpu = gpu or LocalGpu(self.files.logs)
        self._opened = AsyncExitStack()

    async def start(self) -> None:
        """Open what is kept and begin to serve the queue. Raises HomeInUse, DatabaseTooNew, OSError.

        After a failure nothing stays open.
        """
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise

    async def _start(self) -> None:
        lock = await asyncio.to_thread(self._take_home)
        self._opened.callback(lock.close)
        self.db = await Database.open(self.files.database)
        self._opened.push_async_callback(self.db.close)
        self._opened.push_async_callback(self.gpu.close)
        self._build()
        self._opened.push_async_callback(self.dispatcher.stop)
        await self.dispatcher.start()
        heartbeat = asyncio.create_task(beat(self.config.home), name="heartbeat")
        self._opened.callback(heartbeat.cancel)

    def _build(self) -> None:
        self.jobs = Jobs(self.db)
        self.models = Models(self.db, self.files)
        self.pictures = Pictures(self.db, self.files)
        self.settings = Settings(self.db)
        self.bot = LikenessBot(self)
        self.dispatcher = Dispatcher(
            self.db, self.files, self.jobs, self.models, self.pictures, self.gpu, listener=Cards(self)
        )
        self.training = TrainingService(
            self.db,
            self.files,
            self.jobs,
            self.models,
            self.settings,
            base=self.config.base,
            max_jobs=self.config.max_train_jobs,
            wake=self.dispatcher.wake,
        )
        self.imagining = ImagineService(
            self.db,
            self.files,
            self.jobs,
            self.models,
            self.pictures,
            base=self.config.base,
            max_jobs=self.config.max_draw_jobs,
            wake=self.dispatcher.wake,
        )

    async def close(self) -> None:
        """Stop everything; running jobs go on at the next start."""
        await self._opened.aclose()

    def _take_home(self) -> IO[bytes]:
        """Lock the home folder for as long as this process lives, however it ends."""
        lock = (self.files.home / "lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise HomeInUse(f"Another Likeness already works in {self.files.home}.") from error
        return lock
