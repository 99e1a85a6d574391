"""Draws with somebody's Hugging Face endpoint: the same request and events as the local server, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from data.recent import Recent
from inference.endpoint_calls import Calls, Limits, Target
from inference.endpoint_drawing import Drawing
from inference.endpoint_health import Known
from inference.endpoint_hosts import Hosts
from inference.errors import EndpointError
from inference.requests import DrawEvent, DrawRequest

_MOST_KNOWN = 1000
"""Endpoints, by address, of which is remembered how they behaved."""


class EndpointClient:
    """Draws, and shares each endpoint among those who ask for it at the same time."""

    def __init__(self, hosts: Hosts, limits: Limits | None = None) -> None:
        self.calls = Calls(hosts, limits or Limits())
        self._hosts = hosts
        self._known: Recent[str, Known] = Recent(_MOST_KNOWN)

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
        if target.url not in self._known:
            self._known[target.url] = Known()
        known = self._known[target.url]
        events: asyncio.Queue[DrawEvent | None] = asyncio.Queue()
        drawing = Drawing(self.calls, target, request, known, events.put_nowait)
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
        try:
            await self.calls.look(target)
        except EndpointError as error:
            if error.reason not in ("starting", "busy"):
                raise
            return error.reason == "busy"
        return True

    async def close(self) -> None:
        await self.calls.close()
