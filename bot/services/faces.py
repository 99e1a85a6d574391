"""Whose face a drawing shows, and who may go on with its pictures."""

from __future__ import annotations

from bot.services.draw_payload import DrawPayload
from bot.services.refusal import Refusal
from data.endpoints import Endpoints
from data.jobs import Job, JobKind, Jobs, Lane
from data.models import Models
from data.pictures import Pictures


class Faces:
    """A picture may be drawn on, or newly shared, by whoever may draw that face now.

    It is the same rule wherever it was drawn: with a model of ours, at somebody's own endpoint, which draws
    for them alone, or at a server's, which knows the face of the model that was deployed there.
    """

    def __init__(self, models: Models, jobs: Jobs, pictures: Pictures, endpoints: Endpoints) -> None:
        self._models = models
        self._jobs = jobs
        self._pictures = pictures
        self._endpoints = endpoints

    async def check(self, job: Job, user_id: int) -> None:
        """Whether a person may go on with a drawing's pictures, and with all that those began with.

        Raises Refusal: no_such_model, not_yours.
        """
        link: Job | None = job
        while link is not None:
            asked = DrawPayload.of(link)
            await self.check_model(asked.model_id, user_id, link.guild_id)
            if link.lane is Lane.endpoint:
                await self._check_endpoint(link, user_id)
            link = await self._began_with(asked)

    async def check_model(self, model_id: int | None, user_id: int, guild_id: int) -> None:
        """Whether a person may draw with the model, if any, of an earlier drawing.

        Raises Refusal: no_such_model, not_yours.
        """
        if model_id is None:
            return
        model = await self._models.get(model_id)
        if model is None:
            raise Refusal("no_such_model")
        if not model.usable_by(user_id, guild_id):
            raise Refusal("not_yours")

    async def _check_endpoint(self, job: Job, user_id: int) -> None:
        endpoint = await self._endpoints.that_drew(job.id)
        if endpoint is not None and endpoint.scope == "guild":
            await self.check_model(endpoint.model_id, user_id, job.guild_id)
        elif job.user_id != user_id:  # also where it is gone and nobody knows any more whose it was
            raise Refusal("not_yours")

    async def _began_with(self, asked: DrawPayload) -> Job | None:
        picture = await self._pictures.get(asked.init) if asked.init is not None else None
        job = await self._jobs.get(picture.job_id) if picture is not None else None
        return job if job is not None and job.kind is JobKind.draw else None
