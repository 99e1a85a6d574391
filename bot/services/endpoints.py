"""People's Hugging Face endpoints: which drawings go there, and how they are drawn there."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from aiosqlite import Connection

from bot.services.draw_payload import DrawPayload
from bot.services.estimates import Estimates
from bot.services.refusal import Refusal
from bot.services.wording import ME
from data.database import Database
from data.endpoints import Endpoint, Endpoints
from data.jobs import Job, JobKind, Lane
from data.models import Model, Models
from data.secrets import Vault
from inference.endpoint import EndpointClient
from inference.endpoint_calls import Target
from inference.requests import DrawDone, DrawEvent, DrawFailed, DrawRequest, Picture

Backend = Literal["auto", "local", "endpoint"]

PURPOSE = "endpoint"
"""What the vault calls the token."""
DAY_SECONDS = 24 * 3600.0
_UNMEASURED_SECONDS = 60.0
"""What a drawing is taken to need at an endpoint that has drawn nothing yet."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A drawing as an endpoint gets it."""

    endpoint: Endpoint
    target: Target
    request: DrawRequest


class EndpointService:
    """Decides where drawings are drawn, and draws at endpoints."""

    def __init__(
        self,
        db: Database,
        endpoints: Endpoints,
        vault: Vault,
        models: Models,
        estimates: Estimates,
        client: EndpointClient,
    ) -> None:
        self._db = db
        self._endpoints = endpoints
        self._vault = vault
        self._models = models
        self._estimates = estimates
        self._client = client

    async def endpoint_for(self, user_id: int, guild_id: int) -> Endpoint | None:
        """The person's own endpoint, else that of the guild; one that is still being set up is none."""
        for endpoint in (
            await self._endpoints.of("user", user_id),
            await self._endpoints.of("guild", guild_id),
        ):
            if endpoint is not None and endpoint.url:
                return endpoint
        return None

    async def lane_for(
        self,
        backend: Backend,
        user_id: int,
        guild_id: int,
        model: Model | None,
        *,
        base: bool = False,
        init: bool = False,
        count: int = 1,
        tx: Connection | None = None,
    ) -> Lane:
        """Where a new drawing of `count` pictures goes.

        `base` says that the model which nobody trained was asked for by name, `init` that it starts from a
        picture, which endpoints can't.
        Raises Refusal, for `endpoint` alone: no_endpoint, endpoint_no_init, endpoint_other_model,
        endpoint_quota.
        """
        if backend == "local":
            return Lane.gpu
        endpoint = await self.endpoint_for(user_id, guild_id)
        if backend == "endpoint":
            if endpoint is None:
                raise Refusal("no_endpoint")
            if init:
                raise Refusal("endpoint_no_init")
            if model is not None and endpoint.model_id not in (None, model.id):
                raise Refusal("endpoint_other_model", repository=endpoint.repository or endpoint.url)
            await self._check_rules(endpoint, user_id, guild_id, count, tx=tx)
            return Lane.endpoint
        if endpoint is None or init or base or self._client.resting(endpoint.url):
            return Lane.gpu
        if not _fits(endpoint, model):
            return Lane.gpu
        try:
            await self._check_rules(endpoint, user_id, guild_id, count, tx=tx)
        except Refusal:
            return Lane.gpu
        if model is None and endpoint.trigger:
            return Lane.endpoint  # it knows this person, and we don't
        return Lane.endpoint if await self._is_sooner(endpoint) else Lane.gpu

    async def plan(self, job: Job, request: DrawRequest) -> Plan:
        """What a job that runs asks of which endpoint, counted against its quota.

        Raises Refusal: no_endpoint, endpoint_no_token, endpoint_quota, no_such_model.
        """
        endpoint = await self.endpoint_for(job.user_id, job.guild_id)
        if endpoint is None:
            raise Refusal("no_endpoint")
        token = await self._vault.get(endpoint.scope, endpoint.scope_id, PURPOSE)
        if token is None:
            raise Refusal("endpoint_no_token")
        async with self._db.transaction() as tx:
            await self._check_rules(endpoint, job.user_id, job.guild_id, request.count, job.id, tx)
            await self._endpoints.draw_began(job.id, endpoint.id, request.count, request.steps, tx)
        prompt = _spoken(endpoint, request.prompt, DrawPayload.of(job).subject)
        # Whatever was meant, it draws with its own model, of which the repository is all that is known.
        its = request.model_copy(update={"prompt": prompt, "model": endpoint.repository or "", "title": ""})
        return Plan(endpoint, Target(endpoint.url, token, endpoint.wait_seconds), its)

    async def draw(self, job: Job, plan: Plan) -> AsyncGenerator[DrawEvent, None]:
        """See `Gpu.draw`; what it took is remembered."""
        pictures, seconds, ended = 0, None, False
        try:
            async with aclosing(self._client.draw(plan.target, plan.request)) as events:
                async for event in events:
                    pictures += isinstance(event, Picture)
                    seconds = event.seconds if isinstance(event, DrawDone) else None
                    ended = isinstance(event, DrawDone | DrawFailed)
                    if ended:
                        await self._endpoints.draw_ended(job.id, pictures, seconds)
                    yield event
        finally:
            if not ended:
                await self._endpoints.draw_ended(job.id, pictures, None)

    async def _check_rules(
        self,
        endpoint: Endpoint,
        user_id: int,
        guild_id: int,
        count: int,
        job_id: int = 0,
        tx: Connection | None = None,
    ) -> None:
        """Whether a person may draw so many pictures there. Raises Refusal: no_such_model, endpoint_quota."""
        if endpoint.model_id is not None and endpoint.scope == "guild":
            # The guild's endpoint knows somebody's face: their model's own rules hold there too.
            model = await self._models.get(endpoint.model_id)
            if model is None or not model.usable_by(user_id, guild_id):
                raise Refusal("no_such_model")
        if endpoint.daily_pictures is not None:
            since = time.time() - DAY_SECONDS
            drawn = await self._endpoints.pictures_since(endpoint.id, since, job_id, tx)
            if drawn + count > endpoint.daily_pictures:
                raise Refusal("endpoint_quota", limit=endpoint.daily_pictures)

    async def _is_sooner(self, endpoint: Endpoint) -> bool:
        """Whether our own queue takes longer than a drawing at the endpoint usually does."""
        waits = await self._estimates.waits(JobKind.draw)
        usual = await self._endpoints.usual_seconds(endpoint.id)
        return max(waits.values(), default=0.0) > (_UNMEASURED_SECONDS if usual is None else usual)


def _fits(endpoint: Endpoint, model: Model | None) -> bool:
    """Whether an endpoint draws what was meant, so that nobody has to choose it by name."""
    if model is None:
        return endpoint.scope == "user" or not endpoint.trigger
    if endpoint.model_id is not None:
        return endpoint.model_id == model.id
    return endpoint.scope == "user" and endpoint.trigger.casefold() == model.trigger.casefold()


def _spoken(endpoint: Endpoint, prompt: str, subject: str) -> str:
    """A prompt in the words of the endpoint's model: `me`, or our model's phrase for it, becomes its own.

    Not on a guild's endpoint, where the face that it knows need not be the face of who asks.
    """
    if endpoint.scope != "user" or not endpoint.trigger:
        return prompt
    if subject:
        prompt = re.sub(rf"\b{re.escape(subject)}\b", lambda _: endpoint.trigger, prompt, flags=re.IGNORECASE)
    return ME.sub(lambda _: endpoint.trigger, prompt)
