"""Draws with somebody's Hugging Face endpoint: the same request and events as the local server, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import aiohttp
from pydantic import SecretStr
from yarl import URL

from inference.endpoint_answers import MAX_PICTURE_BYTES, fault
from inference.endpoint_drawing import Drawing
from inference.endpoint_health import Breaker
from inference.endpoint_hosts import Hosts
from inference.errors import EndpointError
from inference.requests import DrawEvent, DrawRequest

CALLS_AT_ONCE = 4
"""Calls to one endpoint at the same time, whoever makes them."""
_RETRY_SECONDS = 2.0
_ERROR_BYTES = 64 * 2**10
_CHUNK_BYTES = 64 * 2**10


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that the parts of a call may take."""

    connect: float = 10.0
    answer: float = 300.0
    """From the request to the first byte of its answer: the endpoint draws in this time."""
    body: float = 60.0
    hold: float = 10.0
    """How long the proxy before a starting endpoint may hold a call before it says so."""
    retry: float = 15.0
    """The longest pause before a starting endpoint is called again."""
    tick: float = 1.0
    """Between two events that only say that time passes."""


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint, the token that opens it, and how many seconds its start may be waited for."""

    url: str
    token: SecretStr
    wait_seconds: float
    pooled: bool = True
    """Whether connections are kept for the next call; a check that comes alone leaves nothing behind."""


@dataclass(slots=True)
class _Known:
    """What is remembered of an endpoint while the process lives."""

    calls: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CALLS_AT_ONCE))
    breaker: Breaker = field(default_factory=Breaker)


class EndpointClient:
    """One pool of connections for all endpoints. Needs a running loop from its first call on."""

    def __init__(self, hosts: Hosts, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._hosts = hosts
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._known: dict[str, _Known] = {}

    def check_address(self, url: str) -> str:
        """The URL as it is kept. Raises EndpointError, code endpoint_address."""
        return str(self._hosts.check(url))

    def resting(self, url: str) -> bool:
        """Whether this endpoint failed so often that it is left alone for now."""
        return url in self._known and self._known[url].breaker.resting

    async def draw(self, target: Target, request: DrawRequest) -> AsyncGenerator[DrawEvent, None]:
        """See `Gpu.draw`. A picture that lies in `request.out` already is not drawn, or paid for, again.

        Closing the generator breaks off the calls that are under way.
        """
        known = self._known.setdefault(target.url, _Known())
        events: asyncio.Queue[DrawEvent | None] = asyncio.Queue()
        drawing = Drawing(self, target, request, known.calls, known.breaker, events.put_nowait)
        task = asyncio.create_task(drawing.run(), name=f"endpoint-{request.id}")
        task.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            yield task.result()
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def check(self, target: Target) -> bool:
        """Ask for the endpoint's health, which costs nothing. False: it is there, but has to start first.

        Raises EndpointError when it is not there or does not take the token.
        """
        url = self._hosts.check(target.url)
        try:
            async with asyncio.timeout(self.limits.connect + self.limits.body):
                status, headers, body = await self._send("GET", url / "health", target, None)
        except TimeoutError:
            raise EndpointError("endpoint_timeout", "The endpoint did not answer in time.") from None
        # Other servers than the container may know no such page, but they know whom they let in.
        if status in (200, 204, 404, 405):
            return True
        error = fault(status, headers, body, untouched=True)
        if error.wait is not None:
            return False
        raise error

    async def call(self, target: Target, payload: dict[str, object], *, untouched: bool) -> bytes:
        """One picture's bytes, as they came. Raises EndpointError."""
        status, headers, body = await self._send("POST", self._hosts.check(target.url), target, payload)
        if status != 200:
            raise fault(status, headers, body, untouched=untouched)
        return body

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()

    async def _send(
        self, method: str, url: URL, target: Target, payload: dict[str, object] | None
    ) -> tuple[int, dict[str, str], bytes]:
        if target.pooled not in self._sessions:
            self._sessions[target.pooled] = self._hosts.session(pooled=target.pooled)
        session = self._sessions[target.pooled]
        headers = {
            "Authorization": f"Bearer {target.token.get_secret_value()}",
            "Accept": "image/png",
            "X-Scale-Up-Timeout": f"{min(self.limits.hold, target.wait_seconds):.0f}",
        }
        timeout = aiohttp.ClientTimeout(
            total=None, connect=None, sock_connect=self.limits.connect, sock_read=self.limits.answer
        )
        # Nothing of what aiohttp raises goes on from here: its errors carry the request, token and all.
        try:
            async with session.request(
                method, url, json=payload, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                body = await self._body(response)
                return response.status, dict(response.headers), body
        except EndpointError:
            raise
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            # It never got the request, so nothing was drawn.
            raise EndpointError(
                "endpoint_unreachable",
                "The endpoint can't be reached.",
                wait=_RETRY_SECONDS,
                reason="unreachable",
                sick=True,
            ) from None
        except aiohttp.ServerTimeoutError:
            raise EndpointError(
                "endpoint_timeout", "The endpoint did not answer in time.", sick=True
            ) from None
        except (aiohttp.ClientError, ConnectionError, ValueError):
            raise EndpointError("endpoint_cut", "The connection broke off.", sick=True) from None

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        most = MAX_PICTURE_BYTES if response.status == 200 else _ERROR_BYTES
        body = bytearray()
        try:
            async with asyncio.timeout(self.limits.body):
                async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                    body += chunk
                    if len(body) > most:
                        response.close()
                        break
        except TimeoutError:
            response.close()
            raise EndpointError("endpoint_slow", "The answer came too slowly.", sick=True) from None
        if len(body) > most and response.status == 200:
            raise EndpointError("endpoint_too_large", "The endpoint's answer is far too large.")
        return bytes(body)
