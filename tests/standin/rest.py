"""Discord's HTTP interface: SimCord's routes, over a real connection that has its troubles."""

from __future__ import annotations

import io
import json
import re
import time
from typing import Any, NamedTuple

import discord
from aiohttp import web
from simcord.backend import Backend
from simcord.backend.cdn import CDN_BASE
from simcord.backend.errors import BackendError
from simcord.http import dispatch

from tests.standin.contract import absent, breach
from tests.standin.faults import Fault, Faults
from tests.standin.limits import RateLimits, Verdict
from tests.standin.nonces import Nonces

API = "/api/v10"

_POSTED = re.compile(r"POST /channels/(\d+)/messages")


class Call(NamedTuple):
    """A request that came in, `at` a time of the monotonic clock, and what it was answered; None: nothing."""

    at: float
    method: str
    path: str
    status: int | None


class Rest:
    def __init__(self, backend: Backend, token: str, limits: RateLimits) -> None:
        self._backend = backend
        self._token = token
        self.limits = limits
        self._described = absent() is None
        self.breaches: list[str] = []
        """Requests that are not as Discord describes them."""
        self.faults = Faults()
        self.nonces = Nonces(backend)
        self.gateway_url = ""
        self.cdn_url = ""
        self.calls: list[Call] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, or fail as a test wishes."""
        at, method, path = time.monotonic(), request.method, request.path.removeprefix(API)
        body, files = await _read(request)
        fault = self.faults.of(method, path)
        if fault is not None and fault.gate is not None:
            await fault.gate.wait()
        answer: web.Response | None
        if fault is None or fault.done:
            answer = self._answer(request, path, body, files)
        if fault is not None:
            answer = _failure(fault)
        self.calls.append(Call(at, method, path, None if answer is None else answer.status))
        if answer is None:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        return answer

    async def file(self, request: web.Request) -> web.StreamResponse:
        """An attachment, as the CDN gives it to anybody who has its address."""
        content = self._backend.cdn.get(CDN_BASE + request.path.removeprefix("/cdn"))
        return web.Response(status=404) if content is None else web.Response(body=content)

    def _answer(self, request: web.Request, path: str, body: Any, files: list[discord.File]) -> web.Response:
        if not path.startswith(("/interactions/", "/webhooks/")) and (
            request.headers.get("Authorization") != f"Bot {self._token}"
        ):
            return self._json({"message": "401: Unauthorized", "code": 0}, 401)
        verdict = self.limits.judge(request.method, path)
        if verdict.retry_after is not None:
            return self._limited(verdict)
        if self._described and (wrong := breach(request.method, path, body)):
            self.breaches.append(wrong)
        try:
            done = self._carry_out(request, path, body, files)
        except BackendError as error:
            return self._json(error.to_json(), error.status, verdict.headers)
        if done is None:
            return web.Response(status=204, headers=verdict.headers)
        return self._json(done, 200, verdict.headers)

    def _carry_out(self, request: web.Request, path: str, body: Any, files: list[discord.File]) -> Any:
        if path == "/gateway/bot":
            limit = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1}
            return {"url": self.gateway_url, "shards": 1, "session_start_limit": limit}
        posted = _POSTED.fullmatch(f"{request.method} {path}")
        if posted and (existing := self.nonces.existing(int(posted[1]), body)) is not None:
            return existing
        done = dispatch(
            self._backend, request.method, path, json=body, params=dict(request.query), files=files
        )
        if posted:
            self.nonces.remember(int(posted[1]), body, done)
        return done

    def _limited(self, verdict: Verdict) -> web.Response:
        said = {
            "message": "You are being rate limited.",
            "retry_after": verdict.retry_after,
            "global": verdict.everything,
        }
        return self._json(said, 429, verdict.headers)

    def _json(self, said: object, status: int, headers: dict[str, str] | None = None) -> web.Response:
        text = json.dumps(said, default=str).replace(CDN_BASE, self.cdn_url)
        # discord.py reads JSON only where nothing is said of a charset.
        return web.Response(
            body=text.encode(), status=status, headers=headers, content_type="application/json"
        )


def _failure(fault: Fault) -> web.Response | None:
    if fault.status is None:
        return None
    said = json.dumps({"message": "Switched on by a test", "code": fault.code})
    return web.Response(body=said.encode(), status=fault.status, content_type="application/json")


async def _read(request: web.Request) -> tuple[Any, list[discord.File]]:
    """The body as JSON, and the files that came with it."""
    if not request.content_type.startswith("multipart/"):
        content = await request.read()
        return (json.loads(content) if content else None), []
    form = await request.post()
    body = json.loads(str(form["payload_json"]))
    # The body of an interaction's callback has its message one level deeper.
    message = body.get("data", body)
    said = {str(one["id"]): one.get("description") for one in message.get("attachments", [])}
    files = []
    for name, field in form.items():
        if isinstance(field, web.FileField):
            index = name.removeprefix("files[").removesuffix("]")
            uploaded = io.BytesIO(field.file.read())
            files.append(discord.File(uploaded, field.filename, description=said.get(index)))
    return body, files
