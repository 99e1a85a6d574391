"""Builds each part once and wires them; nothing else constructs services."""

from __future__ import annotations

import asyncio
import fcntl
import logging
from contextlib import AsyncExitStack
from functools import partial
from typing import IO, NoReturn

from cryptography.fernet import Fernet

from bot.cards import Cards
from bot.client import LikenessBot
from bot.config import Config
from bot.gpu.base import Gpu
from bot.gpu.local import LocalGpu
from bot.gpu.standby import has_gpu
from bot.handovers import HandoverCards
from bot.health import beat
from bot.janitor import Janitor
from bot.logs import keep_bounded
from bot.messenger import Messenger
from bot.services.access import Access
from bot.services.digest import Digest
from bot.services.downloads import Downloads
from bot.services.drafting import Drafting
from bot.services.endpoint_accounts import EndpointAccounts
from bot.services.endpoint_deploys import EndpointDeploys
from bot.services.endpoint_hub import EndpointHub
from bot.services.endpoints import EndpointService
from bot.services.estimates import Estimates
from bot.services.examples import Examples
from bot.services.faces import Faces
from bot.services.gallery import GalleryService
from bot.services.handover_runner import HandoverRunner
from bot.services.handover_work import HandoverWork
from bot.services.imagining import ImagineService
from bot.services.intake import Intake
from bot.services.owned import OwnedModels
from bot.services.privacy import Privacy
from bot.services.publishing import Publishing
from bot.services.queue import Dispatcher
from bot.services.redrawing import Redrawing
from bot.services.reports import ReportService
from bot.services.styles import StyleBook
from bot.services.training import TrainingService
from bot.showcase import post_digest
from data.database import Database
from data.endpoints import Endpoints
from data.files import FileStore, check_database
from data.gallery import Gallery
from data.handovers import Handovers
from data.jobs import Jobs
from data.models import Models
from data.notes import Notes
from data.pictures import Pictures
from data.publications import Publications
from data.removals import Removals
from data.reports import Reports
from data.secrets import Vault, read_keys
from data.settings import Settings
from data.styles import Styles
from inference.bases import look_up
from inference.endpoint import EndpointClient
from inference.endpoint_hosts import Hosts
from inference.errors import ModelError

logger = logging.getLogger(__name__)


class HomeInUse(RuntimeError):
    """Another bot works in the same folder; two writers would ruin each other's jobs."""


class PartEnded(RuntimeError):
    """Something ended that the bot can't do without, and nobody asked for that."""


class App:
    """The whole product but for the connection to Discord, which whoever starts it makes with `bot`."""

    db: Database
    jobs: Jobs
    models: Models
    pictures: Pictures
    settings: Settings
    access: Access
    estimates: Estimates
    owned: OwnedModels
    handovers: Handovers
    publications: Publications
    publishing: Publishing
    handover_runner: HandoverRunner
    handover_cards: HandoverCards
    privacy: Privacy
    downloads: Downloads
    notes: Notes
    reports: Reports
    reporting: ReportService
    removals: Removals
    janitor: Janitor
    messenger: Messenger
    cards: Cards
    vault: Vault
    dispatcher: Dispatcher
    endpoint_client: EndpointClient
    endpoints: EndpointService
    endpoint_accounts: EndpointAccounts
    endpoint_deploys: EndpointDeploys
    drafting: Drafting
    training: TrainingService
    imagining: ImagineService
    redrawing: Redrawing
    styles: StyleBook
    examples: Examples
    gallery: GalleryService
    digest: Digest
    bot: LikenessBot

    def __init__(self, config: Config, gpu: Gpu | None = None) -> None:
        self.config = config
        self.files = FileStore(config.home)
        waiting = config.base if config.standby and has_gpu() else None
        self.gpu = gpu or LocalGpu(self.files.logs, standby=waiting, cache_gib=config.engine_cache_gib)
        self._opened = AsyncExitStack()
        self._lasting: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Open what is kept and begin to serve the queue. After a failure nothing stays open.

        Raises ModelError (the base is of no use), HomeInUse, DatabaseMissing, BadDatabase, BadKey, OSError.
        """
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise

    async def _start(self) -> None:
        await self._look_at_base()
        lock = await asyncio.to_thread(self._take_home)
        self._opened.callback(lock.close)
        await asyncio.to_thread(check_database, self.files.home)
        self.db = await Database.open(self.files.database)
        self._opened.push_async_callback(self.db.close)
        self._opened.push_async_callback(self.gpu.close)
        self.vault = Vault(self.db, await asyncio.to_thread(self._read_keys))
        await self.vault.rotate()
        self._build()
        await self.gpu.prepare()
        self._opened.push_async_callback(self.dispatcher.stop)
        await self.dispatcher.start()
        self._opened.push_async_callback(self.handover_runner.stop)
        await self.handover_runner.start()
        await self.privacy.resume()
        self._lasting = [*self.gpu.tasks, *self.dispatcher.tasks, *self.handover_runner.tasks]
        for name, work in (
            ("digest", self.digest.run()),
            ("examples", self.examples.run()),
            ("heartbeat", beat(self.config.home)),
            ("logs", keep_bounded(self.files)),
            ("janitor", self.janitor.run()),
        ):
            task = asyncio.create_task(work, name=name)
            self._opened.push_async_callback(_end, task)
            self._lasting.append(task)

    def _build(self) -> None:
        self.jobs = Jobs(self.db)
        self.models = Models(self.db, self.files)
        self.pictures = Pictures(self.db, self.files)
        self.settings = Settings(self.db)
        self.estimates = Estimates(self.db, self.jobs)
        self.access = Access(
            self.db,
            self.jobs,
            self.settings,
            max_train_jobs=self.config.max_train_jobs,
            max_draw_jobs=self.config.max_draw_jobs,
        )
        self._build_endpoints()
        self.bot = LikenessBot(self)
        self.removals = Removals(self.db)
        self.janitor = Janitor(self)
        self.messenger = Messenger(self.bot, self.janitor.take_down)
        self.cards = Cards(self)
        self.dispatcher = Dispatcher(
            self.db,
            self.files,
            self.jobs,
            self.models,
            self.pictures,
            self.gpu,
            listener=self.cards,
            endpoints=self.endpoints,
        )
        self._build_handovers()
        self.notes = Notes(self.db)
        self.reports = Reports(self.db)
        shared = Gallery(self.db)
        self.reporting = ReportService(self.db, self.jobs, self.pictures, self.reports, shared)
        self.privacy = Privacy(
            self.db, self.files, self.dispatcher, self.publishing.halt, erased=self.janitor.wake
        )
        self.downloads = Downloads(self.db, self.files)
        self.drafting = Drafting(
            self.db,
            self.files,
            self.settings,
            self.access,
            Intake(self.files),
            base=self.config.base,
        )
        self.training = TrainingService(
            self.db,
            self.files,
            self.jobs,
            self.settings,
            self.access,
            self.estimates,
            self.drafting,
            base=self.config.base,
            wake=self.dispatcher.wake,
        )
        self.styles = StyleBook(Styles(self.db), self.settings, base=self.config.base)
        self.examples = Examples(self.files, self.jobs, self.gpu, base=self.config.base)
        self.imagining = ImagineService(
            self.db,
            self.files,
            self.jobs,
            self.models,
            self.pictures,
            self.settings,
            self.access,
            self.endpoints,
            self.styles,
            base=self.config.base,
            wake=self.dispatcher.wake,
        )
        faces = Faces(self.models, self.jobs, self.pictures, Endpoints(self.db))
        self.redrawing = Redrawing(
            self.imagining, self.jobs, self.models, self.pictures, self.settings, faces
        )
        self.gallery = GalleryService(shared, self.jobs, self.pictures, self.settings, self.access, faces)
        self.digest = Digest(shared, self.gallery, post=partial(post_digest, self))

    def _build_endpoints(self) -> None:
        client = self.endpoint_client = EndpointClient(Hosts(self.config.endpoint_hosts.split(",")))
        self._opened.push_async_callback(client.close)
        kept, hub, wait = Endpoints(self.db), EndpointHub(self.config.hub), self.config.endpoint_wait
        self.endpoints = EndpointService(self.db, kept, self.vault, self.models, self.estimates, client)
        self.endpoint_accounts = EndpointAccounts(self.db, kept, self.vault, client, hub, wait_seconds=wait)
        self.endpoint_deploys = EndpointDeploys(
            self.db, kept, self.vault, hub, self.endpoint_accounts, wait_seconds=wait
        )

    def _build_handovers(self) -> None:
        self.handovers = Handovers(self.db, self.files)
        self.publications = Publications(self.db)
        self.handover_cards = HandoverCards(self)
        work = HandoverWork(
            self.db,
            self.files,
            self.jobs,
            self.models,
            self.pictures,
            self.vault,
            self.handovers,
            self.publications,
            hub=self.config.hub,
            single_file=self.config.publish_single_file,
        )
        self.handover_runner = HandoverRunner(self.files, self.handovers, work, self.handover_cards)
        self.owned = OwnedModels(
            self.db,
            self.files,
            self.models,
            self.dispatcher.cancel,
            halt=lambda model_id: self.publishing.halt(model_id),
        )
        self.publishing = Publishing(
            self.db, self.files, self.vault, self.handovers, self.owned, work, self.handover_runner
        )

    async def watch(self) -> NoReturn:
        """Wait while everything that was started goes on. Raises PartEnded when something does not."""
        ended, _ = await asyncio.wait(self._lasting, return_when=asyncio.FIRST_COMPLETED)
        task = ended.pop()
        error = None if task.cancelled() else task.exception()
        raise PartEnded(f"the {task.get_name()} task ended.") from error

    async def close(self) -> None:
        """Stop everything; running jobs go on at the next start."""
        await self._opened.aclose()

    async def _look_at_base(self) -> None:
        """A base of no use stops the start; one that can't be looked at now may be there when needed."""
        try:
            base, files = await asyncio.to_thread(look_up, self.config.base)
        except ModelError as error:
            if error.code != "base_unreachable":
                raise
            logger.warning("%s", error.message)
        else:
            if files == "unknown":
                logger.warning("the Hub can't be reached: the files of %s are unchecked", base.title)

    def _read_keys(self) -> list[Fernet]:
        configured = self.config.secret_key
        return read_keys(configured.get_secret_value() if configured else None, self.files.secret_key)

    def _take_home(self) -> IO[bytes]:
        """Lock the home folder for as long as this process lives, however it ends."""
        lock = (self.files.home / "lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise HomeInUse(f"Another Likeness already works in {self.files.home}.") from error
        return lock


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
