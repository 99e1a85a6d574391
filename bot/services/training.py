"""From uploaded photos to a training in the queue."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from aiosqlite import Connection

from bot.services.refusal import Notice, Refusal, refuse_when_full
from data.database import Database
from data.errors import CodedError
from data.files import FileStore
from data.jobs import Job, JobKind, Jobs, Origin
from data.models import Model, Models
from data.settings import GuildSettings, Settings
from inference.bases import Base, resolve
from trainer.job import write_job
from trainer.names import check_name, is_common_word
from trainer.photos import PhotoReport, prepare
from trainer.presets import recipe_for
from trainer.spec import MAX_PHOTOS, MIN_PHOTOS, Concept, TrainSpec, steps_for

_PHOTOS = "photos"
_CLASS_NAME = re.compile(r"[A-Za-z]{2,16}( [A-Za-z]{2,16})?")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was sent."""

    filename: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """A training that is in the queue."""

    job: Job
    warnings: tuple[Notice, ...]
    """`common_word`, and the code of each photo that can't be used with its file's `name`."""


class TrainingService:
    """Takes photos and puts trainings into the queue, and takes models away again."""

    def __init__(
        self,
        db: Database,
        files: FileStore,
        jobs: Jobs,
        models: Models,
        settings: Settings,
        *,
        base: str,
        max_jobs: int,
        wake: Callable[[], None],
    ) -> None:
        self._db = db
        self._files = files
        self._jobs = jobs
        self._models = models
        self._settings = settings
        self._base = base
        self._max_jobs = max_jobs
        self._wake = wake

    async def accept(
        self,
        uploads: Sequence[Upload],
        *,
        name: str,
        class_name: str = "person",
        consent: bool,
        steps: int | None = None,
        **origin: Unpack[Origin],
    ) -> Accepted:
        """Check everything, keep the usable photos and queue the training; it is safe once this returns.

        Raises Refusal: training_disabled, no_consent, bad_name, bad_class, unknown_base, too_many_jobs,
        too_many_steps, too_many_photos, too_few_photos, disk_full.
        """
        settings = await self.check(
            origin, name=name, class_name=class_name, consent=consent, photos=len(uploads), steps=steps
        )
        base = _resolve(self._base)
        files = [(upload.filename, upload.content) for upload in uploads]
        report = await asyncio.to_thread(prepare, files, base.resolution)
        rejected = tuple(Notice(one.code, {"name": one.name}) for one in report.rejected)
        usable = len(report.accepted)
        if usable < MIN_PHOTOS:
            raise Refusal("too_few_photos", usable=usable, minimum=MIN_PHOTOS, rejected=rejected)
        spec = self._spec(base, settings, name, class_name, usable, steps)
        job = await self._queue(spec, report, origin)
        known = is_common_word(name, Path(base.source) / "tokenizer")
        common = (Notice("common_word", {"name": name}),) if known else ()
        return Accepted(job, common + rejected)

    async def check(
        self, origin: Origin, *, name: str, class_name: str, consent: bool, photos: int, steps: int | None
    ) -> GuildSettings:
        """Everything that can be refused before a photo is fetched. Raises Refusal as `accept` does."""
        settings = await self._settings.get(origin["guild_id"])
        _check_wish(settings, name, class_name, consent, photos, steps)
        await self._check_room(origin["user_id"])
        return settings

    async def delete_model(self, model_id: int, user_id: int) -> Model:
        """Remove a person's own model and return what it was. Raises Refusal: no_such_model, not_yours."""
        model = await self._models.get(model_id)
        if model is None:
            raise Refusal("no_such_model")
        if model.owner_id != user_id:
            raise Refusal("not_yours")
        await self._models.delete(model_id)
        await asyncio.to_thread(self._files.remove, model.path)
        return model

    async def _check_room(self, user_id: int, tx: Connection | None = None) -> None:
        if await self._jobs.active(user_id, JobKind.train, tx) >= self._max_jobs:
            raise Refusal("too_many_jobs", limit=self._max_jobs)

    def _spec(
        self, base: Base, settings: GuildSettings, name: str, class_name: str, photos: int, steps: int | None
    ) -> TrainSpec:
        recipe = recipe_for(base.alias)
        wanted = steps or settings.default_steps or steps_for(photos, recipe)
        return TrainSpec(
            base=base.alias,
            concepts=(Concept(name=name, class_name=class_name, photos=_PHOTOS),),
            recipe=recipe.model_copy(update={"steps": min(wanted, settings.max_steps)}),
            class_pool=str(self._files.class_pool(base.alias)),
        )

    async def _queue(self, spec: TrainSpec, report: PhotoReport, origin: Origin) -> Job:
        with refuse_when_full():
            folder = await asyncio.to_thread(self._write_job, spec, report)
            try:
                job = await self._adopt_job(folder, spec, len(report.accepted), origin)
            except BaseException:
                await asyncio.to_thread(self._files.remove, folder)
                raise
        self._wake()
        return job

    def _write_job(self, spec: TrainSpec, report: PhotoReport) -> Path:
        """Write the job's folder under a passing name; a failure leaves nothing behind."""
        folder = self._files.incoming_job()
        try:
            write_job(folder, spec, {_PHOTOS: [photo.image for photo in report.accepted]})
        except BaseException:
            self._files.remove(folder)
            raise
        return folder

    async def _adopt_job(self, folder: Path, spec: TrainSpec, photos: int, origin: Origin) -> Job:
        """Row and folder appear together; a crash in between leaves a folder without a row: it is swept."""
        async with self._db.transaction() as tx:
            await self._check_room(origin["user_id"], tx)
            job = await self._jobs.create(
                JobKind.train,
                payload=spec.model_dump_json(),
                steps=spec.recipe.steps or 0,
                photos=photos,
                consent_at=time.time(),
                tx=tx,
                **origin,
            )
            target = self._files.job(job.id)
            # The id is new, so whatever lies there comes from a commit that failed.
            await asyncio.to_thread(self._files.remove, target)
            await asyncio.to_thread(self._files.adopt, folder, target)
        return job


def _check_wish(
    settings: GuildSettings, name: str, class_name: str, consent: bool, photos: int, steps: int | None
) -> None:
    """Everything that can be refused without looking at a photo."""
    if not settings.train_enabled:
        raise Refusal("training_disabled")
    if not consent:
        raise Refusal("no_consent")
    try:
        check_name(name)
    except CodedError as error:
        raise Refusal(error.code) from error
    if not _CLASS_NAME.fullmatch(class_name):
        raise Refusal("bad_class")
    if steps is not None and not 1 <= steps <= settings.max_steps:
        raise Refusal("too_many_steps", limit=settings.max_steps)
    if photos > MAX_PHOTOS:
        raise Refusal("too_many_photos", limit=MAX_PHOTOS)


def _resolve(name: str) -> Base:
    try:
        return resolve(name)
    except CodedError as error:
        raise Refusal(error.code, base=name) from error
