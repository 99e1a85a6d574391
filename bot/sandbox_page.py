"""The sandbox's web page: SimCord's preview with our name on it and a list of channels.

SimCord shows one channel in one preview. Here each channel has a preview of its own, on ports that
follow each other, and every page links to the others.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from html import escape
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from aiohttp import web
from simcord.actors import MemberActor
from simcord.backend.cdn import CDN_BASE
from simcord.backend.errors import BackendError, SetupError
from simcord.builders import ChannelHandle
from simcord.env import Env
from simcord.preview import Preview
from simcord.preview._server import PreviewServer, _read_json_body

REFRESH_SECONDS = 1.0

ASSETS = Path(__file__).with_name("sandbox_assets")

_OURS = {
    "/studio.css": "text/css",
    "/studio.js": "application/javascript",
    "/studio.svg": "image/svg+xml",
}
_HEAD = (
    '<link rel="icon" href="/studio.svg"><link rel="stylesheet" href="/studio.css">'
    '<script type="module" src="/studio.js"></script></head>'
)
_SIDEBAR = '<header class="sidebar-heading">'


class PortTaken(OSError):
    """Something else already listens on a port that a page needs."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is taken")
        self.port = port


class Pages:
    """The open previews, one for each channel."""

    def __init__(self, env: Env) -> None:
        self.previews: list[Preview] = []
        self.turn = asyncio.Lock()
        """SimCord refuses one operation while another runs; here they wait for each other."""
        self._env = env
        self._shown = 0

    @property
    def url(self) -> str:
        """Where to click: the first channel's page, with the key that opens it."""
        return self.previews[0].url

    async def follow(self) -> NoReturn:
        """Let the simulated clock follow the real one, and show at once what the bot posted."""
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            async with self.turn:
                now = loop.time()
                await self._env.advance_time(now - last)
                last = now
                happened = len(self._env.backend.transcript)
                if happened == self._shown:
                    continue
                self._shown = happened
                for preview in self.previews:
                    await preview.refresh()


class StudioServer(PreviewServer):
    """SimCord's own server, with our style and the channel list on its page, and actions in turn."""

    _STATIC_FILES: ClassVar[dict[str, str]] = PreviewServer._STATIC_FILES | {
        path: path.lstrip("/") for path in _OURS
    }

    def __init__(self, preview: Preview, port: int, pages: Pages) -> None:
        super().__init__(preview, port)
        self._studio = pages

    async def _static(self, request: Any) -> Any:
        if kind := _OURS.get(request.path):
            text = (ASSETS / request.path.lstrip("/")).read_text(encoding="utf-8")
            return web.Response(text=text, content_type=kind, headers=self._SECURITY_HEADERS)
        response = await super()._static(request)
        if request.path == "/" and isinstance(response.text, str):
            page = response.text.replace("<title>SimCord Preview</title>", "<title>Likeness studio</title>")
            response.text = page.replace("</head>", _HEAD).replace(_SIDEBAR, self._channel_list() + _SIDEBAR)
        return response

    async def _action(self, request: Any) -> Any:
        """As SimCord's, but a click never fails because a card was edited a moment before."""
        context = request.headers.get("X-Simcord-Context")
        if not self._authorized(request, context=context):
            raise web.HTTPUnauthorized()
        multipart = request.content_type.startswith("multipart/")
        body = await (self._multipart_action(request) if multipart else _read_json_body(request))
        async with self._studio.turn:
            try:
                if isinstance(body, dict) and "published_revision" in body:
                    body["published_revision"] = self.preview._get_page(context).revision
                result = await self.preview._action(context, body)
            except (SetupError, BackendError):
                return web.json_response({}, status=400, headers=self._SECURITY_HEADERS)
        return web.json_response(result, headers=self._SECURITY_HEADERS)

    async def _multipart_action(self, request: Any) -> dict[str, Any]:
        """As SimCord's, but with as many photos as a form of Discord takes, not ten in all."""
        payload: dict[str, Any] = {}
        files: dict[str, list[tuple[str, bytes]]] = {}
        async for part in await request.multipart():
            content = bytes(await part.read())
            if part.name == "payload":
                payload = json.loads(content)
            else:
                field = str(part.name).removeprefix("file:")
                files.setdefault(field, []).append((part.filename or "upload", content))
        if payload.get("kind") == "run_command":
            payload["options"] |= {name: uploads[0] for name, uploads in files.items()}
        else:
            payload["values"] |= files
        return payload

    def _channel_list(self) -> str:
        """Links to every channel; the script adds the key, which never leaves the address bar."""
        links = "".join(
            f'<a href="{escape(other.url.partition("#")[0])}"'
            f"{' aria-current=page' if other is self.preview else ''}>"
            f"<span>#</span>{escape(other.channel.name or '')}</a>"
            for other in self._studio.previews
        )
        return f'<nav id="studio-channels" aria-label="Channels"><h2>Likeness studio</h2>{links}</nav>'


@asynccontextmanager
async def pages(
    env: Env, channels: Sequence[ChannelHandle], visitor: MemberActor, port: int
) -> AsyncGenerator[Pages, None]:
    """A page for each channel, the first on `port`; 0 takes free ports. Raises PortTaken."""
    opened = Pages(env)
    bot = env.backend.bot_user
    bot.avatar = "likeness"
    avatar = f"{CDN_BASE}/avatars/{bot.id}/{bot.avatar}.png"
    assets = {avatar: ("avatar.png", await asyncio.to_thread((ASSETS / "avatar.png").read_bytes))}
    async with AsyncExitStack() as stack:
        for offset, channel in enumerate(channels):
            # SimCord means to have one preview at a time; ours share a visitor, a key and the turns.
            env._preview = None
            here = port + offset if port else 0
            preview = env.preview(channel, viewers=[visitor], layout="channel", port=here, assets=assets)
            preview._server = StudioServer(preview, here, opened)
            if opened.previews:
                preview.capability = opened.previews[0].capability
            try:
                await stack.enter_async_context(preview)
            except SetupError as error:
                raise PortTaken(here) from error
            opened.previews.append(preview)
        yield opened
