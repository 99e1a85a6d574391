"""A stand-in Discord on loopback, that the real bot talks to as it does to Discord.

SimCord keeps its state, knows its rules and acts its people. Real here is the wire that SimCord leaves out:
HTTP and a WebSocket, with rate limits, lost answers, cut connections and sessions that are resumed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from bot.sandbox import World
from tests.standin.gateway import Gateway
from tests.standin.limits import RateLimits
from tests.standin.rest import API, Rest
from tests.standin.world import new_world

TOKEN = "c3RhbmQtaW4.invented.token"


@dataclass(frozen=True)
class StandIn:
    """`world` has the server, its channels and people; `rest` and `gateway` are the two ways to it."""

    api: str
    """The address that all requests begin with."""
    world: World
    rest: Rest
    gateway: Gateway


@asynccontextmanager
async def stand_in(*, scale: float = 1) -> AsyncIterator[StandIn]:
    """Serve on a free port. A `scale` under 1 shortens the windows of rate limits."""
    world = new_world()
    backend = world.env.backend
    app = web.Application(client_max_size=30 * 2**20)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    gateway = Gateway(backend, TOKEN)
    rest = Rest(backend, TOKEN, RateLimits(scale))
    app.router.add_get("/gateway/", gateway.serve)
    app.router.add_get("/cdn/{path:.*}", rest.file)
    app.router.add_route("*", API + "/{path:.*}", rest.serve)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"127.0.0.1:{runner.addresses[0][1]}"
        rest.cdn_url, rest.gateway_url = f"http://{address}/cdn", f"ws://{address}/gateway/"
        gateway.cdn_url, gateway.url = rest.cdn_url, rest.gateway_url
        yield StandIn(f"http://{address}{API}", world, rest, gateway)
    finally:
        await runner.cleanup()
