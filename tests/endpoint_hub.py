"""The part of Hugging Face that endpoints need, on loopback: who a token is, hardware, endpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from huggingface_hub import constants

from tests.endpoint_server import TOKEN

ACCOUNT = "ann"
_TIME = "2026-11-25T00:00:00.000Z"


@dataclass
class EndpointsApi:
    """Knows one account. `address` is the URL of every endpoint that runs."""

    address: str = ""
    status: int = 200
    """What all calls but whoami are answered with."""
    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    @asynccontextmanager
    async def served(self, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EndpointsApi]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "INFERENCE_ENDPOINTS_ENDPOINT", f"{self.url}/v2")
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": "Invalid credentials"}, status=401)
        if request.path == "/api/whoami-v2":
            return web.json_response({"name": ACCOUNT, "type": "user"})
        if self.status != 200:
            return web.json_response({"error": TOKEN}, status=self.status)
        if request.path == f"/v2/provider/{ACCOUNT}":
            return web.json_response(
                {"vendors": [{"name": "aws", "regions": [{"name": "us-east-1", "computes": _COMPUTES}]}]}
            )
        name, _, verb = request.path.removeprefix(f"/v2/endpoint/{ACCOUNT}").strip("/").partition("/")
        if request.method == "POST" and not name:
            body = await request.json()
            self.bodies.append(body)
            self.made[body["name"]] = _endpoint(body["name"], body["model"]["repository"])
            return web.json_response(self.made[body["name"]])
        if not name:
            return web.json_response({"items": list(self.made.values())})
        if name not in self.made:
            return web.json_response({"error": "not found"}, status=404)
        if request.method == "DELETE":
            del self.made[name]
            return web.json_response({})
        if verb:
            self.made[name]["status"]["state"] = {"pause": "paused", "resume": "initializing"}[verb]
        return web.json_response(self.made[name])

    def start(self, name: str) -> None:
        """What is being set up is there now."""
        self.made[name]["status"] |= {"state": "running", "url": self.address}


def _endpoint(name: str, repository: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "authenticated",
        "healthRoute": "/health",
        "model": {
            "repository": repository,
            "framework": "pytorch",
            "revision": "main",
            "task": "text-to-image",
        },
        "status": {"state": "pending", "createdAt": _TIME, "updatedAt": _TIME},
    }


def _compute(kind: str, accelerator: str, price: float, status: str = "available") -> dict[str, Any]:
    return {
        "id": f"aws-us-east-1-{kind}-x1",
        "accelerator": accelerator,
        "instanceType": kind,
        "instanceSize": "x1",
        "architecture": kind,
        "numAccelerators": 1,
        "memoryGb": 16,
        "pricePerHour": price,
        "status": status,
        "quota": {"maxAccelerators": 4, "usedAccelerators": 0},
    }


_COMPUTES = [
    _compute("nvidia-l4", "gpu", 0.8),
    _compute("nvidia-t4", "gpu", 0.5),
    _compute("nvidia-a100", "gpu", 2.5, "not_available"),
    _compute("intel-icl", "cpu", 0.1),
]
