"""A loopback server that behaves like Hugging Face's inference container and the proxy before it.

Like the container it draws one picture at a time, whatever else waits inside, and listens only once its model
is loaded. It counts what it draws: a picture that was drawn is paid for, delivered or not.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from PIL import Image

TOKEN = "hf_" + "Sesame" * 6

Draw = Callable[[dict[str, object]], Awaitable[bytes]]


async def flat(asked: dict[str, object]) -> bytes:
    """A picture of one colour, made of the seed."""
    parameters = asked["parameters"]
    assert isinstance(parameters, dict)
    seed, side = int(parameters["seed"]), int(parameters.get("width", 64))
    return png((side, side), (seed % 256, seed // 256 % 256, 128))


def png(size: tuple[int, int], colour: tuple[int, int, int] = (1, 2, 3), kind: str = "PNG") -> bytes:
    content = io.BytesIO()
    Image.new("RGB", size, colour).save(content, kind)
    return content.getvalue()


@dataclass
class Container:
    """Scripted by `faults`: one word for each coming call; when it is empty, calls are answered well."""

    token: str = TOKEN
    faults: list[str] = field(default_factory=list)
    cold: float = 0
    """Seconds that it starts, from the first call or its death on; until then the answer is `unborn`."""
    unborn: int = 503
    """What the proxy says while nothing runs: 503, before July 2025 502."""
    health: int = 200
    """What a container that is up says of its health; others than Hugging Face's may know no such page."""
    delay: float = 0
    draw: Draw = flat
    calls: list[dict[str, object]] = field(default_factory=list)
    paid: Counter[tuple[str, int]] = field(default_factory=Counter)
    """(prompt, seed) -> how often it was drawn."""
    looks: int = 0
    """Questions for its health."""
    running: int = 0
    most: int = 0
    """The most calls that were in the container at once, drawn or waiting in there."""
    elsewhere: int = 0
    """Calls that followed a redirect."""
    url: str = ""
    _up_at: float | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _site: web.TCPSite | None = None

    @asynccontextmanager
    async def served(self, *, loading: bool = False) -> AsyncIterator[Container]:
        """Serve on a free port; with `loading` it stays closed until `open`."""
        app = web.Application(client_max_size=2**20)
        app.router.add_post("/", self._post)
        app.router.add_get("/health", self._health)
        app.router.add_route("*", "/elsewhere", self._elsewhere)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        with socket.socket() as reserved:  # keeps the port ours while nobody listens there
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.bind(("127.0.0.1", 0))
            port = reserved.getsockname()[1]
            self.url = f"http://127.0.0.1:{port}"
            self._site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True)
            if not loading:
                await self.open()
            try:
                yield self
            finally:
                await runner.cleanup()

    async def open(self) -> None:
        """The model is loaded: it listens."""
        assert self._site is not None
        await self._site.start()

    async def close(self) -> None:
        """It died, and nobody listens."""
        assert self._site is not None
        await self._site.stop()

    def _starting(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self._up_at is None:
            self._up_at = now + self.cold
        return now < self._up_at

    def _let_in(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {self.token}"

    async def _health(self, request: web.Request) -> web.StreamResponse:
        self.looks += 1
        if not self._let_in(request):
            return web.json_response({"error": "Invalid credentials"}, status=401)
        return web.Response(status=self.unborn if self._starting() else self.health)

    async def _elsewhere(self, request: web.Request) -> web.StreamResponse:
        self.elsewhere += 1
        return web.Response()

    async def _post(self, request: web.Request) -> web.StreamResponse:
        asked = json.loads(await request.read())
        self.calls.append(asked)
        if not self._let_in(request):
            return web.json_response({"error": f"No: {request.headers.get('Authorization')}"}, status=401)
        if request.content_type != "application/json" or request.headers.get("Accept") != "image/png":
            return web.json_response({"error": "Content type is not supported"}, status=400)
        if self._starting():
            return web.json_response({"error": "Service Unavailable"}, status=self.unborn)
        word = self.faults.pop(0) if self.faults else "well"
        early = await self._before_drawing(word, request)
        if early is not None:
            return early
        wrong = _wrong_size(asked["parameters"])
        if wrong:
            return web.json_response({"error": wrong}, status=400)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            async with self._turn:
                await asyncio.sleep(self.delay)
                body = await self.draw(asked)
        finally:
            self.running -= 1
        self.paid[asked["inputs"], asked["parameters"]["seed"]] += 1
        return await self._delivered(word, request, asked, body)

    async def _before_drawing(self, word: str, request: web.Request) -> web.StreamResponse | None:
        """The answers of the proxy, and of a container that refuses: nothing is drawn."""
        if word == "loading":
            return web.json_response({"error": "Model is loading", "estimated_time": 1}, status=503)
        if word == "busy":
            return web.Response(status=429, headers={"Retry-After": "1"})
        if word == "redirect":
            raise web.HTTPTemporaryRedirect("/elsewhere")
        if word.startswith("says "):
            return web.json_response({"error": word.removeprefix("says ")}, status=400)
        if word.isdecimal():
            return web.json_response({"error": ["it", self.token]}, status=int(word))
        return None

    async def _delivered(
        self, word: str, request: web.Request, asked: dict[str, object], body: bytes
    ) -> web.StreamResponse:
        """What becomes of a picture that was drawn, and is paid for."""
        match word:
            case "html":
                return web.Response(text="<html>Proxy error</html>", content_type="text/html")
            case "base64":
                return web.json_response(base64.b64encode(body).decode())
            case "jpeg":
                with Image.open(io.BytesIO(body)) as image:
                    return web.Response(body=png(image.size, kind="JPEG"), content_type="image/jpeg")
            case "broken":
                return web.Response(body=body[: len(body) // 2], content_type="image/png")
            case "small":
                return web.Response(body=png((32, 32)), content_type="image/png")
            case "huge":
                return web.Response(body=b"\x89PNG" + bytes(33 * 2**20), content_type="image/png")
            case "cut" | "slow":
                response = web.StreamResponse(headers={"Content-Length": str(len(body))})
                await response.prepare(request)
                await response.write(body[:20])
                if word == "slow":
                    await asyncio.sleep(30)
                assert request.transport is not None
                request.transport.abort()
                return response
            case "hang":
                await asyncio.sleep(30)
            case "died":
                self._up_at = asyncio.get_running_loop().time() + self.cold
                return web.Response(status=502)
        return web.Response(body=body, content_type="image/png")


def _wrong_size(parameters: object) -> str:
    assert isinstance(parameters, dict)
    width, height = parameters.get("width", 64), parameters.get("height", 64)
    if width != height or width % 8:
        return "height and width must be equal and divisible by 8"
    return ""
