"""What the tests of the services stand on: the real database and file store in a passing folder."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from cryptography.fernet import Fernet
from PIL import Image

from bot.gpu.base import Gpu
from bot.services.access import Access
from bot.services.drafting import Drafting
from bot.services.endpoints import EndpointService
from bot.services.estimates import Estimates
from bot.services.faces import Faces
from bot.services.gallery import GalleryService
from bot.services.imagining import ImagineService
from bot.services.intake import Intake, Upload
from bot.services.owned import OwnedModels
from bot.services.queue import Dispatcher
from bot.services.redrawing import Redrawing
from bot.services.refusal import Refusal
from bot.services.styles import StyleBook
from bot.services.training import TrainingService
from bot.services.wish import Wish
from data.database import Database
from data.drafts import Crop, Draft, Drafts
from data.endpoints import Endpoints
from data.files import FileStore
from data.gallery import Gallery
from data.jobs import Job, Jobs, JobState
from data.models import Models
from data.pictures import Picture, Pictures
from data.secrets import Vault
from data.settings import Settings
from data.styles import Styles
from inference.endpoint import EndpointClient
from inference.endpoint_calls import Limits
from inference.endpoint_hosts import Hosts
from tests.fakes import write_model

ANN, BOB, GUILD = 1, 2, 7
WAIT_SECONDS = 240
QUICK = Limits(connect=2, answer=5, body=1, hold=0.2, retry=0.1, tick=0.05)


@dataclass
class Recorder:
    """A face that writes down what it was told, and fails as often as asked."""

    changes: list[Job] = field(default_factory=list)
    ends: list[Job] = field(default_factory=list)
    shown: dict[int, list[Picture]] = field(default_factory=dict)
    missing: list[Path] = field(default_factory=list)
    """Pictures that were announced before they were there."""
    failures: int = 0

    async def job_changed(self, job: Job) -> None:
        self.changes.append(job)

    async def finished(self, job: Job) -> None:
        self.ends.append(job)

    async def pictures_ready(self, job: Job, pictures: list[Picture]) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("Discord is down")
        self.shown[job.id] = pictures
        self.missing += [picture.path for picture in pictures if not picture.path.is_file()]


class House:
    """Everything that is kept, and the services on top."""

    def __init__(self, db: Database, files: FileStore) -> None:
        self.db = db
        self.files = files
        self.jobs = Jobs(db)
        self.halted: list[int] = []
        self.models = Models(db, files)
        self.pictures = Pictures(db, files)
        self.settings = Settings(db)
        self.estimates = Estimates(db, self.jobs)
        self.vault = Vault(db, [Fernet(Fernet.generate_key())])
        self.kept_endpoints = Endpoints(db)
        self.client = EndpointClient(Hosts(["127.0.0.1"]), QUICK)
        self.endpoints = EndpointService(
            db, self.kept_endpoints, self.vault, self.models, self.estimates, self.client
        )
        self.intake = Intake(files)
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1

    def drafting(self, base: str = "mini", max_jobs: int = 2) -> Drafting:
        access = Access(self.db, self.jobs, self.settings, max_train_jobs=max_jobs, max_draw_jobs=5)
        return Drafting(self.db, self.files, self.settings, access, self.intake, base=base)

    def training(self, base: str = "mini", max_jobs: int = 2) -> TrainingService:
        return TrainingService(
            self.db,
            self.files,
            self.jobs,
            self.settings,
            Access(self.db, self.jobs, self.settings, max_train_jobs=max_jobs, max_draw_jobs=5),
            self.estimates,
            self.drafting(base, max_jobs),
            base=base,
            wake=self.wake,
        )

    def access(self, max_draw_jobs: int = 5) -> Access:
        return Access(self.db, self.jobs, self.settings, max_train_jobs=2, max_draw_jobs=max_draw_jobs)

    def styles(self, base: str = "mini") -> StyleBook:
        return StyleBook(Styles(self.db), self.settings, base=base)

    def imagining(self, base: str = "mini", max_jobs: int = 5) -> ImagineService:
        return ImagineService(
            self.db,
            self.files,
            self.jobs,
            self.models,
            self.pictures,
            self.settings,
            self.access(max_jobs),
            self.endpoints,
            self.styles(base),
            base=base,
            wake=self.wake,
        )

    def redrawing(self) -> Redrawing:
        return Redrawing(self.imagining(), self.jobs, self.models, self.pictures, self.settings, self.faces())

    def faces(self) -> Faces:
        return Faces(self.models, self.jobs, self.pictures, self.kept_endpoints)

    def gallery(self) -> GalleryService:
        return GalleryService(
            Gallery(self.db), self.jobs, self.pictures, self.settings, self.access(), self.faces()
        )

    def dispatcher(self, gpu: Gpu, listener: Recorder) -> Dispatcher:
        return Dispatcher(
            self.db,
            self.files,
            self.jobs,
            self.models,
            self.pictures,
            gpu,
            listener,
            endpoints=self.endpoints,
        )

    async def halt(self, model_id: int) -> list[Path]:
        self.halted.append(model_id)
        return []

    def owned(self) -> OwnedModels:
        return OwnedModels(self.db, self.files, self.models, self.jobs.cancel, halt=self.halt)

    async def draft(self, user: int = ANN, photos: int = 3) -> Draft:
        return await self.drafting().draft(
            uploads(photos),
            Wish(name="abraza"),
            consent=True,
            user_id=user,
            guild_id=GUILD,
            channel_id=8,
            locale="en",
        )

    async def drafted(self, user: int = ANN, photos: int = 3) -> Draft:
        """What `draft` leaves behind, without a process that reads photos."""
        async with self.db.transaction() as tx:
            draft = await Drafts(self.db).create(
                wish=Wish(name="abraza").model_dump_json(),
                crops=[Crop(number) for number in range(1, photos + 1)],
                notices=(),
                consent_at=1.0,
                tx=tx,
                user_id=user,
                guild_id=GUILD,
                channel_id=8,
                locale="en",
            )
        folder = self.files.draft(draft.id)
        folder.mkdir()
        for place in range(photos):
            noise(place).save(folder / f"{place}.png")
        return draft

    async def accept(self, user: int = ANN, photos: int = 3) -> Job:
        """A training in the queue."""
        draft = await self.drafted(user, photos)
        return await self.training(max_jobs=100).start(draft.id, user)

    async def imagine(self, prompt: str = "a cat", user: int = ANN, count: int = 2) -> Job:
        return await self.imagining().submit(
            prompt, count=count, user_id=user, guild_id=GUILD, channel_id=8, locale="en"
        )

    async def make_model(self, user: int = ANN, name: str = "abraza", base: str = "mini") -> int:
        """A model in full without a training: a finished job, a row and a folder."""
        job = await self.accept(user)
        await self.jobs.start(job.id)
        await self.jobs.finish(job.id)
        await self.jobs.mark_announced(job.id)
        model = await self.models.create(
            owner_id=user,
            guild_id=GUILD,
            name=name,
            class_name="person",
            base=base,
            photos=3,
            steps=1,
            job_id=job.id,
        )
        write_model(model.path)
        return model.id

    async def job(self, job_id: int) -> Job:
        job = await self.jobs.get(job_id)
        assert job is not None
        return job

    async def until(self, reached: Callable[[Job], bool], job_id: int) -> Job:
        """The job, once it is so. Fails when that takes far too long."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not reached(job := await self.job(job_id)):
                assert not job.announced, f"it ended otherwise: {job}"
                await asyncio.sleep(0.01)
        return job

    async def announced(self, job_id: int) -> Job:
        return await self.until(lambda job: job.announced, job_id)


def noise(seed: int) -> Image.Image:
    """A picture that differs from those of other seeds."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (128, 128, 3), dtype=np.uint8))


def uploads(count: int) -> list[Upload]:
    made = []
    for seed in range(count):
        content = io.BytesIO()
        noise(seed).save(content, "JPEG")
        made.append(upload(f"{seed}.jpg", content.getvalue()))
    return made


def upload(name: str, content: bytes) -> Upload:
    async def fetch() -> bytes:
        return content

    return Upload(name, fetch)


async def refused(call: Awaitable[object]) -> str:
    """The code with which a service says no."""
    with pytest.raises(Refusal) as caught:
        await call
    return caught.value.code


@asynccontextmanager
async def serving(house: House, gpu: Gpu, listener: Recorder) -> AsyncIterator[Dispatcher]:
    dispatcher = house.dispatcher(gpu, listener)
    await dispatcher.start()
    try:
        yield dispatcher
    finally:
        await dispatcher.stop()


def running(job: Job) -> bool:
    return job.state is JobState.running and job.phase is not None
