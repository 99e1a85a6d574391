"""Carries a job to the GPU and brings back what happens: first to the database, then to the face."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path
from typing import Unpack

from PIL import Image

from bot.gpu.base import Gpu
from bot.services.draw_payload import DrawPayload
from bot.services.endpoints import EndpointService
from bot.services.progress import Kept, Throttle
from bot.services.refusal import Refusal, out_of_space
from bot.services.wording import ME
from data.database import Database, Unwritable, until_written
from data.files import FileStore, size_of
from data.jobs import HowFar, Job, JobKind, Jobs, Lane
from data.models import Models
from data.pictures import Pictures
from inference.requests import (
    DrawDone,
    DrawEvent,
    DrawFailed,
    DrawProgress,
    DrawRequest,
    DrawWaiting,
    Picture,
)
from inference.requests import Preview as Sketch
from trainer.events import (
    Done,
    Failed,
    LossPlot,
    PhaseProgress,
    Plan,
    Preview,
    Progress,
    Sample,
    Started,
    Strip,
    TrainEvent,
)
from trainer.spec import TrainSpec

MAX_ATTEMPTS = 5
"""How often a job may be lost without getting further: it may be what brings its process down."""
_LOST = ("trainer_lost", "server_lost", "disk_full", "database_busy")
ROOM_SECONDS = 30.0
"""Before the next try after the disk was full: who is asked to make room needs a while."""


class Work:
    """Runs a job that is marked as running to its end. `changed` is called with its id after each change."""

    def __init__(
        self,
        db: Database,
        files: FileStore,
        jobs: Jobs,
        models: Models,
        pictures: Pictures,
        gpu: Gpu,
        changed: Callable[[int], None],
        endpoints: EndpointService | None = None,
    ) -> None:
        self._db = db
        self._files = files
        self._jobs = jobs
        self._models = models
        self._pictures = pictures
        self._gpu = gpu
        self._changed = changed
        self._endpoints = endpoints

    async def run(self, job: Job) -> None:
        """The job is done, failed or queued again when this returns. Cancelling it stops the GPU's work."""
        try:
            if job.kind is JobKind.train:
                await self._train(job)
            else:
                await self._draw(job)
        except Unwritable as error:
            await self._lost_or_failed(job.id, error.code, error.message)
        except OSError as error:
            if not out_of_space(error):
                raise
            await self._lost_or_failed(job.id, "disk_full", "The disk is full.")

    async def _lost_or_failed(self, job_id: int, code: str, message: str) -> None:
        """Queue a job again whose process died or that found no room, unless it gets no further by that;
        everything else fails.
        """
        now = await self._jobs.get(job_id)
        if now is None or code not in _LOST or now.fruitless + 1 >= MAX_ATTEMPTS:
            await self._fail(job_id, code, message)
            return
        if code == "disk_full":
            await asyncio.sleep(ROOM_SECONDS)
        await until_written(lambda: self._jobs.requeue(job_id, lost=True))

    async def _fail(self, job_id: int, code: str, message: str) -> None:
        await until_written(lambda: self._jobs.fail(job_id, code, message))

    async def _train(self, job: Job) -> None:
        samples: list[Sample] = []
        throttle, kept = Throttle(), Kept()
        final: TrainEvent | None = None
        async with aclosing(self._gpu.train(self._files.job(job.id))) as events:
            async for final in events:
                if kept.grows_by(final):
                    with suppress(Unwritable):  # if that is lost, the next start tells
                        await self._jobs.gained(job.id, kept.total)
                match final:
                    case Sample():
                        samples.append(final)
                    case Plan() as plan:
                        await until_written(partial(self._jobs.set_plan, job.id, plan.model_dump_json()))
                        self._changed(job.id)
                    case Preview() | Strip() | LossPlot():
                        self._changed(job.id)  # the card finds the files, as it does after a restart
                    case Started() | PhaseProgress() | Progress() if throttle.due(_phase(final)):
                        await self._show_training(job.id, final)
        # The process is gone by now and its files are ours.
        if isinstance(final, Done):
            await self._keep(job, final, samples)
        elif isinstance(final, Failed):
            await self._lost_or_failed(job.id, final.code, final.message)
        else:  # someone else stopped it
            message = "The training process was stopped from outside."
            await self._lost_or_failed(job.id, "trainer_lost", message)

    async def _show_training(self, job_id: int, event: Started | PhaseProgress | Progress) -> None:
        match event:
            case Started():
                await self._show(job_id, phase="train", step=event.resumed_step, steps=event.steps)
            case PhaseProgress():
                await self._show(job_id, phase=event.phase, step=event.done, steps=event.total)
            case Progress():
                await self._show(
                    job_id,
                    phase="train",
                    step=event.step,
                    steps=event.steps,
                    loss=event.loss,
                    seconds_left=event.seconds_left,
                )

    async def _show(self, job_id: int, **progress: Unpack[HowFar]) -> None:
        """Best effort: the next report says more than this one."""
        with suppress(Unwritable):
            await self._jobs.progress(job_id, **progress)
        self._changed(job_id)

    async def _keep(self, job: Job, done: Done, samples: list[Sample]) -> None:
        """Everything that says "this training is done" in one transaction.

        The files move afterwards (`Housekeeping.settle`): a crash before the commit runs the trainer again,
        which finds its finished work and says so at once; a crash after it moves them at the next start.
        """
        spec = TrainSpec.model_validate_json(job.payload)
        folder = self._files.job(job.id)
        sizes = await asyncio.to_thread(_sizes, [folder / sample.path for sample in samples])
        size_bytes = await asyncio.to_thread(size_of, folder / done.model)
        await until_written(lambda: self._record(job, spec, done, samples, sizes, size_bytes))

    async def _record(
        self,
        job: Job,
        spec: TrainSpec,
        done: Done,
        samples: list[Sample],
        sizes: list[tuple[int, int]],
        size_bytes: int,
    ) -> None:
        async with self._db.transaction() as tx:
            if await self._jobs.finish(job.id, tx=tx) is None:
                return  # cancelled at the last moment
            model = await self._models.create(
                owner_id=job.user_id,
                guild_id=job.guild_id,
                name=spec.concepts[0].name,
                class_name=spec.concepts[0].class_name,
                base=spec.base,
                photos=job.photos,
                steps=done.steps,
                job_id=job.id,
                method=done.method,
                size_bytes=size_bytes,
                tx=tx,
            )
            await self._jobs.set_model(job.id, model.id, tx)
            for sample, (width, height) in zip(samples, sizes, strict=True):
                await self._pictures.add(
                    job_id=job.id,
                    idx=sample.index,
                    path=self._files.pictures(job.id) / Path(sample.path).name,
                    prompt=sample.prompt,
                    seed=sample.seed,
                    width=width,
                    height=height,
                    tx=tx,
                )

    async def _draw(self, job: Job) -> None:
        payload = DrawPayload.of(job)
        source = await self._source(job, payload)
        if source is None:
            await self._fail(job.id, "no_such_model", "The model of this drawing is not there any more.")
            return
        init = await self._pictures.get(payload.init) if payload.init is not None else None
        if payload.init is not None and (init is None or init.deleted_at is not None):
            await self._fail(job.id, "picture_gone", "The picture to start from was deleted.")
            return
        out = self._files.pictures(job.id)
        await asyncio.to_thread(out.mkdir, exist_ok=True)
        # A server that still works on a lost attempt must not mistake this one for it.
        model, title = source
        request = payload.request(
            f"{job.id}-{job.attempts}", model, str(out), init=str(init.path) if init else None, title=title
        )
        if job.lane is Lane.endpoint and self._endpoints is not None:
            await self._draw_elsewhere(job, payload, request, self._endpoints)
            return
        failed = await self._watch_drawing(job, request.prompt, self._gpu.draw(request))
        if failed is None:
            await until_written(lambda: self._jobs.finish(job.id))
        else:
            await self._lost_or_failed(job.id, failed.code, failed.message)

    async def _draw_elsewhere(
        self, job: Job, payload: DrawPayload, request: DrawRequest, endpoints: EndpointService
    ) -> None:
        """Draw at an endpoint. What came is paid for, so it is kept also when the rest did not come."""
        try:
            plan = await endpoints.plan(job, request)
            failed = await self._watch_drawing(job, plan.request.prompt, endpoints.draw(job, plan))
        except Refusal as refusal:
            failed = DrawFailed(id=request.id, code=refusal.code, message="The endpoint can't be used.")
        if failed is None:
            await until_written(lambda: self._jobs.finish(job.id))
        elif await self._pictures.of_job(job.id):
            lacks = (failed.code, failed.message)
            await until_written(lambda: self._jobs.finish(job.id, lacks=lacks))
        elif payload.backend == "auto" and (payload.model_id is not None or not ME.search(request.prompt)):
            await until_written(lambda: self._jobs.change_lane(job.id, Lane.gpu))
        else:
            await self._fail(job.id, failed.code, failed.message)

    async def _watch_drawing(
        self, job: Job, prompt: str, drawing: AsyncGenerator[DrawEvent, None]
    ) -> DrawFailed | None:
        throttle = Throttle()
        async with aclosing(drawing) as events:
            async for event in events:
                match event:
                    case DrawWaiting():
                        if throttle.due(event.reason):
                            await self._show(job.id, phase=event.reason, step=round(event.seconds), steps=0)
                    case DrawProgress():
                        if throttle.due("draw"):
                            await self._show(job.id, phase="draw", step=event.step, steps=event.steps)
                    case Sketch():
                        self._changed(job.id)
                    case Picture():
                        await until_written(partial(self._add, job, prompt, event))
                        self._changed(job.id)
                    case DrawFailed():
                        return event
                    case DrawDone():
                        return None
        return DrawFailed(id=str(job.id), code="server_lost", message="The drawing broke off.")

    async def _add(self, job: Job, prompt: str, picture: Picture) -> None:
        async with self._db.transaction() as tx:
            await self._pictures.add(
                job_id=job.id,
                idx=picture.index,
                path=Path(picture.path),
                prompt=prompt,
                seed=picture.seed,
                width=picture.width,
                height=picture.height,
                flagged=picture.flagged,
                tx=tx,
            )
            await self._jobs.gained(job.id, picture.index + 1, tx)

    async def _source(self, job: Job, payload: DrawPayload) -> tuple[str, str] | None:
        """What the engine loads, and its title if it is somebody's; None when it was deleted or made private
        while the job waited.
        """
        if payload.model_id is None:
            return payload.base, ""
        model = await self._models.get(payload.model_id)
        usable = model is not None and model.usable_by(job.user_id, job.guild_id)
        return (str(model.path), model.title) if model and usable else None


def _phase(event: TrainEvent) -> str:
    return event.phase if isinstance(event, PhaseProgress) else event.type


def _sizes(paths: list[Path]) -> list[tuple[int, int]]:
    sizes = []
    for path in paths:
        with Image.open(path) as image:
            sizes.append(image.size)
    return sizes
