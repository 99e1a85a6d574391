"""The HTTP of an endpoint: a question that costs nothing, and a call that draws and is paid for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import inf

import aiohttp
from pydantic import SecretStr
from yarl import URL

from inference.endpoint_answers import MAX_PICTURE_BYTES, fault
from inference.endpoint_hosts import Hosts
from inference.errors import EndpointError

_RETRY_SECONDS = 2.0
_ERROR_BYTES = 64 * 2**10
_CHUNK_BYTES = 64 * 2**10
_NOT_UP = frozenset({502, 503, 504})
"""What the proxy says to a question while nobody is behind it: 503, before July 2025 502."""
_NO_PAGE = ("endpoint_bad_request", "endpoint_not_found")
"""Somebody is there who knows no such page: another server than Hugging Face's container."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that the parts of a call may take."""

    connect: float = 10.0
    answer: float = 300.0
    """From the request to the first byte of its answer: the endpoint draws in this time."""
    body: float = 60.0
    hold: float = 10.0
    """How long the proxy before a starting endpoint may hold a question before it says so."""
    retry: float = 15.0
    """The longest pause before a starting endpoint is asked again."""
    nowhere: float = 10.0
    """How long a host is tried that has no address, or to which no way leads: that is no start."""
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


class Calls:
    """One pool of connections for all endpoints. Needs a running loop from its first call on."""

    def __init__(self, hosts: Hosts, limits: Limits) -> None:
        self.limits = limits
        self._hosts = hosts
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def look(self, target: Target) -> None:
        """Ask for the endpoint's health, which costs nothing and may be repeated; returns once it is up.

        Raises EndpointError, with `wait` where it makes sense to ask again.
        """
        url, limits = self._hosts.check(target.url) / "health", self.limits
        hold = min(limits.hold, target.wait_seconds)
        try:
            async with asyncio.timeout(limits.connect + hold):
                status, headers, body = await self._send(
                    "GET", url, target, headers={"X-Scale-Up-Timeout": f"{hold:.0f}"}
                )
        except TimeoutError:
            raise _unreachable() from None
        except EndpointError as error:
            # Whatever broke off, nothing was drawn. A port that is handed on, as Docker does, is open
            # before anybody listens behind it.
            raise error if error.code == "endpoint_unreachable" else _unreachable() from None
        said = None if status in (200, 204) else fault(status, headers, body, starting=_NOT_UP)
        if said is not None and said.code not in _NO_PAGE:
            raise said

    async def draw(self, target: Target, payload: dict[str, object], *, starting: Collection[int]) -> bytes:
        """One picture's bytes, as they came; see `fault` for `starting`. Raises EndpointError."""
        status, headers, body = await self._send("POST", self._hosts.check(target.url), target, payload)
        if status != 200:
            raise fault(status, headers, body, starting=starting)
        return body

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()

    async def _send(
        self,
        method: str,
        url: URL,
        target: Target,
        payload: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        if target.pooled not in self._sessions:
            self._sessions[target.pooled] = self._hosts.session(pooled=target.pooled)
        session = self._sessions[target.pooled]
        token = target.token.get_secret_value()
        headers = {"Authorization": f"Bearer {token}", "Accept": "image/png", **(headers or {})}
        timeout = aiohttp.ClientTimeout(
            total=None, connect=None, sock_connect=self.limits.connect, sock_read=self.limits.answer
        )
        async with (
            _without_secrets(self.limits),
            session.request(
                method, url, json=payload, headers=headers, timeout=timeout, allow_redirects=False
            ) as response,
        ):
            return response.status, dict(response.headers), await self._body(response)

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


@asynccontextmanager
async def _without_secrets(limits: Limits) -> AsyncGenerator[None, None]:
    """Nothing of what aiohttp raises goes on from here: its errors carry the request, token and all."""
    try:
        yield
    except EndpointError:
        raise
    except aiohttp.ClientConnectorError as error:
        # It never got the request, so nothing was drawn. A closed port may open: the container listens
        # only once its model is loaded.
        closed = isinstance(error.os_error, ConnectionRefusedError)
        raise _unreachable(inf if closed else limits.nowhere) from None
    except aiohttp.ConnectionTimeoutError:
        raise _unreachable(limits.nowhere) from None
    except aiohttp.ServerTimeoutError:
        raise EndpointError("endpoint_timeout", "The endpoint did not answer in time.", sick=True) from None
    except (aiohttp.ClientError, ConnectionError, ValueError):
        raise EndpointError("endpoint_cut", "The connection broke off.", sick=True) from None


def _unreachable(patience: float = inf) -> EndpointError:
    return EndpointError(
        "endpoint_unreachable",
        "The endpoint can't be reached.",
        wait=_RETRY_SECONDS,
        reason="unreachable",
        patience=patience,
        sick=True,
    )
