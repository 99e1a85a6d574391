"""From a prompt to a drawing in the queue."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable
from typing import Self, Unpack

from annotated_types import Ge, Le, Lt
from pydantic import BaseModel, ConfigDict, ValidationError

from bot.services.refusal import Refusal, refuse_when_full
from data.database import Database
from data.files import FileStore
from data.jobs import Job, JobKind, Jobs, Origin
from data.models import Model, Models
from data.pictures import Pictures
from inference.requests import DrawRequest

ME = re.compile(r"\bme\b", re.IGNORECASE)


class DrawPayload(BaseModel):
    """What a drawing job keeps: a `DrawRequest` whose folders are not known yet."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    prompt: str
    negative: str = ""
    count: int = 4
    steps: int = 50
    guidance: float = 7.5
    seed: int
    width: int | None = None
    height: int | None = None
    base: str
    model_id: int | None = None
    """A person's model; None draws with `base` itself."""

    @classmethod
    def of(cls, job: Job) -> Self:
        """Read the payload of a drawing job."""
        return cls.model_validate_json(job.payload)

    def request(self, request_id: str, model: str, out: str) -> DrawRequest:
        """Raises pydantic.ValidationError when a value is out of range."""
        return DrawRequest(
            id=request_id, model=model, out=out, **self.model_dump(exclude={"base", "model_id"})
        )


class ImagineService:
    """Takes prompts and puts them into the queue, and takes pictures away again."""

    def __init__(
        self,
        db: Database,
        files: FileStore,
        jobs: Jobs,
        models: Models,
        pictures: Pictures,
        *,
        base: str,
        max_jobs: int,
        wake: Callable[[], None],
    ) -> None:
        self._db = db
        self._files = files
        self._jobs = jobs
        self._models = models
        self._pictures = pictures
        self._base = base
        self._max_jobs = max_jobs
        self._wake = wake

    async def submit(
        self,
        prompt: str,
        *,
        count: int = 4,
        steps: int = 50,
        guidance: float = 7.5,
        seed: int | None = None,
        negative: str = "",
        width: int | None = None,
        height: int | None = None,
        model_id: int | None = None,
        **origin: Unpack[Origin],
    ) -> Job:
        """Queue a drawing by one of the person's models, or by the base where `model_id` is None.

        With a person's model the word `me` in the prompt becomes its trigger phrase.

        Raises Refusal: no_such_model, bad_value, bad_size, too_many_jobs, disk_full.
        """
        model = await self._model(model_id, origin["user_id"], origin["guild_id"])
        payload = DrawPayload(
            prompt=ME.sub(model.trigger, prompt.strip()) if model else prompt.strip(),
            negative=negative,
            count=count,
            steps=steps,
            guidance=guidance,
            seed=secrets.randbits(32) if seed is None else seed,
            width=width,
            height=height,
            base=model.base if model else self._base,
            model_id=model.id if model else None,
        )
        return await self._queue(payload, origin)

    async def again(self, job_id: int, **origin: Unpack[Origin]) -> Job:
        """Queue the drawing of an earlier job once more, with a new seed.

        Anyone of the same guild may, but nobody draws with the model of somebody else.
        Raises Refusal: no_such_job, no_such_model, not_yours, too_many_jobs, disk_full.
        """
        job = await self._jobs.get(job_id)
        if job is None or job.kind is not JobKind.draw or job.guild_id != origin["guild_id"]:
            raise Refusal("no_such_job")
        payload = DrawPayload.of(job).model_copy(update={"seed": secrets.randbits(32)})
        if payload.model_id is not None:
            model = await self._models.get(payload.model_id)
            if model is None:
                raise Refusal("no_such_model")
            if model.owner_id != origin["user_id"]:
                raise Refusal("not_yours")
        return await self._queue(payload, origin)

    async def delete(self, job_id: int, user_id: int) -> int:
        """Remove the pictures of a person's own job and return how many.

        Raises Refusal: no_such_job, not_yours.
        """
        job = await self._jobs.get(job_id)
        if job is None:
            raise Refusal("no_such_job")
        if job.user_id != user_id:
            raise Refusal("not_yours")
        removed = await self._pictures.delete_job(job_id)
        await asyncio.to_thread(self._files.remove, self._files.pictures(job_id))
        return removed

    async def _model(self, model_id: int | None, user_id: int, guild_id: int) -> Model | None:
        if model_id is None:
            return None
        model = await self._models.get(model_id)
        if model is None or model.owner_id != user_id or model.guild_id != guild_id:
            raise Refusal("no_such_model")
        return model

    async def _queue(self, payload: DrawPayload, origin: Origin) -> Job:
        _check(payload)
        with refuse_when_full():
            async with self._db.transaction() as tx:
                # Counted inside the transaction: two clicks at once must not both find the last place.
                if await self._jobs.active(origin["user_id"], JobKind.draw, tx) >= self._max_jobs:
                    raise Refusal("too_many_jobs", limit=self._max_jobs)
                job = await self._jobs.create(
                    JobKind.draw,
                    payload=payload.model_dump_json(),
                    steps=payload.steps,
                    model_id=payload.model_id,
                    tx=tx,
                    **origin,
                )
        self._wake()
        return job


def _check(payload: DrawPayload) -> None:
    """Raises Refusal: bad_value (`field`, and `low` and `high` where it is a number), bad_size."""
    try:
        payload.request("", model="", out="")
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        raise Refusal("bad_value", field=field, **_limits(field)) from error
    if any(side is not None and side % 8 for side in (payload.width, payload.height)):
        raise Refusal("bad_size")


def _limits(field: str) -> dict[str, object]:
    """`low` and `high` of a field that is a number."""
    limits: dict[str, object] = {}
    for rule in DrawRequest.model_fields[field].metadata:
        match rule:
            case Ge(low):
                limits["low"] = low
            case Le(high):
                limits["high"] = high
            case Lt(above) if isinstance(above, int):
                limits["high"] = above - 1
    return limits
