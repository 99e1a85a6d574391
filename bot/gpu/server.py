"""The inference server of this machine: one long-lived process that draws for everyone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from pathlib import Path

from pydantic import ValidationError

from bot.gpu.processes import outcome, spawn, stop
from inference.requests import (
    CancelRequest,
    DrawCommand,
    DrawDone,
    DrawEvent,
    DrawFailed,
    DrawRequest,
    Ready,
    parse_line,
)

logger = logging.getLogger(__name__)

_GRACE_SECONDS = 10


class ServerLost(ConnectionError):
    """The inference server is not there."""


class InferenceServer:
    """Starts the server on first use and again after it died.

    Requests that were in flight then fail with `server_lost`.
    """

    def __init__(self, log: Path, cache_gib: float | None = None) -> None:
        """`cache_gib` is the memory for weights of models not in use; None lets the server decide."""
        self._log = log
        self._environment = {} if cache_gib is None else {"LIKENESS_ENGINE_CACHE_GIB": str(cache_gib)}
        self._starting = asyncio.Lock()
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[Ready] | None = None
        self._requests: dict[str, asyncio.Queue[DrawEvent]] = {}
        self._closing = False
        self.batch = 0
        """What the server said last, see `Ready.batch`."""

    async def ready(self) -> Ready:
        """The server's first line, once it is up. Raises ServerLost, OSError."""
        async with self._starting:
            ready = self._ready or await self._start()
        return await asyncio.shield(ready)

    async def draw(self, request: DrawRequest) -> AsyncGenerator[DrawEvent, None]:
        """Stream one request's events up to its final one."""
        events = self._requests[request.id] = asyncio.Queue()
        try:
            try:
                await self.ready()
                await self._send(request)
            except OSError as error:
                events.put_nowait(DrawFailed(id=request.id, code="server_lost", message=str(error)))
            while request.id in self._requests:
                event = await events.get()
                if isinstance(event, DrawDone | DrawFailed):
                    del self._requests[request.id]
                yield event
        finally:
            if self._requests.pop(request.id, None) is not None:
                with contextlib.suppress(OSError):
                    await self._send(CancelRequest(id=request.id))

    async def close(self) -> None:
        """Stop the server."""
        self._closing = True
        if self._process is not None:
            await stop(self._process, _GRACE_SECONDS)
        if self._reader is not None:
            await self._reader

    async def _start(self) -> asyncio.Future[Ready]:
        process = self._process = await spawn(
            "inference", "serve", log=self._log, environment=self._environment
        )
        ready = self._ready = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read(process, ready), name="inference-server")
        return ready

    async def _read(self, process: Process, ready: asyncio.Future[Ready]) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            self._take(line, ready)
        await process.wait()
        self._ready = None
        message = f"The process that draws pictures {outcome(process)}."
        if not self._closing:
            logger.warning("%s Its log is %s.", message, self._log)
        for request_id, events in self._requests.items():
            events.put_nowait(DrawFailed(id=request_id, code="server_lost", message=message))
        if not ready.done():
            ready.set_exception(ServerLost(message))
            ready.exception()  # it counts as seen also when nobody waits

    def _take(self, line: bytes, ready: asyncio.Future[Ready]) -> None:
        try:
            said = parse_line(line)
        except ValidationError:
            logger.warning("The inference server said something that is no event: %r", line[:200])
            return
        if isinstance(said, Ready):
            self.batch = said.batch
            ready.set_result(said)
        elif said.id in self._requests:  # else it was cancelled in the meantime
            self._requests[said.id].put_nowait(said)

    async def _send(self, command: DrawCommand) -> None:
        if self._process is None or self._process.stdin is None:
            raise ServerLost("The process that draws pictures is not there.")
        self._process.stdin.write(command.model_dump_json().encode() + b"\n")
        await self._process.stdin.drain()
