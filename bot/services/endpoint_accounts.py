"""Connecting, testing and letting go of endpoints; everything is checked before anything is kept."""

from __future__ import annotations

import asyncio
import re
import secrets
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from bot.services.endpoint_hub import EndpointHub
from bot.services.endpoints import PURPOSE
from bot.services.refusal import Refusal
from data.database import Database
from data.endpoints import Endpoint, Endpoints
from data.secrets import Scope, Vault
from inference.endpoint import EndpointClient
from inference.endpoint_calls import Target
from inference.errors import EndpointError
from inference.requests import DrawDone, DrawFailed, DrawRequest

ROUTER = "https://router.huggingface.co/hf-inference/models/"
REPOSITORY = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
_TEST_SECONDS = 480
_TOKEN = re.compile(r"[\x21-\x7e]{8,300}")


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of an endpoint now. `state` is Hugging Face's word, or `ready`, or a refusal's code."""

    endpoint: Endpoint
    state: str
    seconds_run: float
    usual_seconds: float | None
    drawn_today: int


class EndpointAccounts:
    """How the endpoints of people and guilds come and go.

    `wait_seconds` is the most that anybody may let a start take.
    """

    def __init__(
        self,
        db: Database,
        endpoints: Endpoints,
        vault: Vault,
        client: EndpointClient,
        hub: EndpointHub,
        *,
        wait_seconds: int,
    ) -> None:
        self._db = db
        self._endpoints = endpoints
        self._vault = vault
        self._client = client
        self._hub = hub
        self._wait_seconds = wait_seconds

    async def connect(
        self,
        scope: Scope,
        scope_id: int,
        token: SecretStr,
        where: str,
        *,
        trigger: str = "",
        daily_pictures: int | None = None,
        wait_seconds: int | None = None,
    ) -> tuple[Endpoint, bool]:
        """Keep an endpoint, an address or a model id, once token and endpoint were found good.

        The flag says whether it is awake now.
        Raises Refusal: endpoint_bad_token, endpoint_exists, endpoint_address, and whatever
        `EndpointClient.check` and `EndpointHub` have.
        """
        if not _TOKEN.fullmatch(token.get_secret_value()):
            raise Refusal("endpoint_bad_token")
        await self.check_free(scope, scope_id)
        account = await self._hub.account(token)
        where = where.strip()
        repository = where if REPOSITORY.fullmatch(where) else None
        url = await self._address(token, repository) if repository else where
        try:
            url = self._client.check_address(url)
            awake = await self._client.check(Target(url, token, 0, pooled=False))
        except EndpointError as error:
            raise Refusal(error.code) from None
        async with self._db.transaction() as tx:
            await self.check_free(scope, scope_id)  # one may have been deployed while we asked
            endpoint = await self._endpoints.put(
                scope,
                scope_id,
                url=url,
                repository=repository,
                trigger=" ".join(trigger.split()),
                account=account,
                daily_pictures=daily_pictures,
                wait_seconds=min(wait_seconds or self._wait_seconds, self._wait_seconds),
                tx=tx,
            )
            await self._vault.put(scope, scope_id, PURPOSE, token, tx)
        return endpoint, awake

    async def disconnect(self, scope: Scope, scope_id: int) -> Endpoint:
        """Forget an endpoint and erase its token. Raises Refusal: no_endpoint."""
        endpoint = await self.get(scope, scope_id)
        async with self._db.transaction() as tx:
            await self._vault.delete(scope, scope_id, PURPOSE, tx)
            await self._endpoints.delete(scope, scope_id, tx)
        return endpoint

    async def status(self, scope: Scope, scope_id: int) -> Status:
        """How an endpoint is now, asked afresh. Raises Refusal: no_endpoint."""
        endpoint = await self.get(scope, scope_id)
        try:
            endpoint, state = await self._state(endpoint)
        except Refusal as refusal:
            state = refusal.code
        return Status(
            endpoint=endpoint,
            state=state,
            seconds_run=await self._endpoints.seconds_run(endpoint.id),
            usual_seconds=await self._endpoints.usual_seconds(endpoint.id),
            drawn_today=await self._endpoints.pictures_since(endpoint.id, time.time() - 24 * 3600),
        )

    async def test(self, scope: Scope, scope_id: int) -> tuple[bytes, float]:
        """Draw one picture: its PNG, and the seconds that it took. Raises Refusal."""
        endpoint = await self.get(scope, scope_id)
        target = Target(endpoint.url, await self.token_of(endpoint), _test_wait(endpoint), pooled=False)
        with tempfile.TemporaryDirectory() as folder:
            request = DrawRequest(
                id=f"test-{secrets.token_hex(4)}",
                model=endpoint.repository or "",
                prompt=f"a portrait of {endpoint.trigger}" if endpoint.trigger else "a portrait of a cat",
                count=1,
                steps=20,
                seed=secrets.randbits(32),
                out=folder,
            )
            seconds = 0.0
            async for event in self._client.draw(target, request):
                if isinstance(event, DrawFailed):
                    raise Refusal(event.code)
                if isinstance(event, DrawDone):
                    seconds = event.seconds
            return await asyncio.to_thread((Path(folder) / "0.png").read_bytes), seconds

    async def _address(self, token: SecretStr, repository: str) -> str:
        """Where a model is drawn: at the account's own endpoint, else behind Hugging Face's router."""
        try:
            found = await self._hub.url_of(token, repository)
        except Refusal as refusal:
            if refusal.code != "endpoint_token_rights":  # a token that may only call may not list
                raise
            found = None
        return found or ROUTER + repository

    async def _state(self, endpoint: Endpoint) -> tuple[Endpoint, str]:
        token = await self.token_of(endpoint)
        if endpoint.name is not None:
            made = await self._hub.look(token, endpoint.name)
            url = self.checked(made.url)
            if url and url != endpoint.url:
                await self._endpoints.set_url(endpoint.id, url)
            return await self.get(endpoint.scope, endpoint.scope_id), made.status
        try:
            awake = await self._client.check(Target(endpoint.url, token, 0, pooled=False))
        except EndpointError as error:
            return endpoint, error.code
        return endpoint, "ready" if awake else "asleep"

    def checked(self, url: str | None) -> str | None:
        """Also an address that the Hub gave gets the token only if it is one of Hugging Face's."""
        try:
            return self._client.check_address(url) if url else None
        except EndpointError as error:
            raise Refusal(error.code) from None

    async def get(self, scope: Scope, scope_id: int) -> Endpoint:
        """The endpoint of a person or guild. Raises Refusal: no_endpoint."""
        endpoint = await self._endpoints.of(scope, scope_id)
        if endpoint is None:
            raise Refusal("no_endpoint")
        return endpoint

    async def check_free(self, scope: Scope, scope_id: int) -> None:
        """A deployed endpoint costs money, so it is never just replaced. Raises Refusal: endpoint_exists."""
        former = await self._endpoints.of(scope, scope_id)
        if former is not None and former.name is not None:
            raise Refusal("endpoint_exists")

    async def token_of(self, endpoint: Endpoint) -> SecretStr:
        """Raises Refusal, endpoint_no_token, where no key opens it any more."""
        token = await self._vault.get(endpoint.scope, endpoint.scope_id, PURPOSE)
        if token is None:
            raise Refusal("endpoint_no_token")
        return token


def _test_wait(endpoint: Endpoint) -> int:
    """A test answers a command, which Discord waits for 15 minutes at most."""
    return min(endpoint.wait_seconds, _TEST_SECONDS)
