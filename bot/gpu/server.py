"""The inference server of this machine: one long-lived process that draws for everyone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from bot.gpu.hearing import Patience, hear
from bot.gpu.processes import outcome, spawn, stop
from inference.requests import (
    CancelRequest,
    DrawCommand,
    DrawDone,
    DrawEvent,
    DrawFailed,
    DrawRequest,
    Ready,
    ServerLine,
    parse_line,
)

logger = logging.getLogger(__name__)

_GRACE_SECONDS = 10


class ServerLost(ConnectionError):
    """The inference server is not there."""


class InferenceServer:
    """Starts the server on first use and again after it died or hung.

    Requests that were in flight then fail with `server_lost`.
    """

    def __init__(self, log: Path, patience: Patience, cache_gib: float | None = None) -> None:
        """`cache_gib` is the memory for weights of models not in use; None lets the server decide."""
        self._log = log
        self._patience = patience
        self._environment = {} if cache_gib is None else {"LIKENESS_ENGINE_CACHE_GIB": str(cache_gib)}
        self._keeper: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._process: Process | None = None
        self._ready: asyncio.Future[Ready] | None = None
        self._requests: dict[str, asyncio.Queue[DrawEvent]] = {}
        self._closed = False
        self.batch = 0
        """What the server said last, see `Ready.batch`."""

    def open(self) -> None:
        """Have the task that keeps the server, which outlives whoever asks for it; the server comes later."""
        if self._keeper is None and not self._closed:
            self._keeper = asyncio.create_task(self._keep(), name="inference-server")

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """What goes on from `open` to `close`."""
        return [self._keeper] if self._keeper is not None else []

    async def ready(self) -> Ready:
        """The server's first line, once it is up. Raises ServerLost, also where it can't be started."""
        self.open()
        if self._closed:
            raise ServerLost("The process that draws pictures was stopped.")
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
            self._wanted.set()
        return await asyncio.shield(self._ready)

    async def draw(self, request: DrawRequest) -> AsyncGenerator[DrawEvent, None]:
        """Stream one request's events up to its final one."""
        events = self._requests[request.id] = asyncio.Queue()
        try:
            try:
                await self.ready()
                self._send(request)
            except ServerLost as lost:
                events.put_nowait(DrawFailed(id=request.id, code="server_lost", message=str(lost)))
            while request.id in self._requests:
                event = await events.get()
                if isinstance(event, DrawDone | DrawFailed):
                    del self._requests[request.id]
                yield event
        finally:
            if self._requests.pop(request.id, None) is not None:
                with contextlib.suppress(ServerLost):
                    self._send(CancelRequest(id=request.id))

    async def close(self) -> None:
        """Stop the server for good."""
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        self._lose("The process that draws pictures was stopped.")

    async def _keep(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            message = f"The process that draws pictures {await self._run()}."
            logger.warning("%s Its log is %s.", message, self._log)
            self._lose(message)

    async def _run(self) -> str:
        """Start the server and listen to it to its end; returns in words how that was."""
        try:
            process = await spawn("inference", "serve", log=self._log, environment=self._environment)
        except OSError as error:
            return f"can't be started: {error.strerror}"
        self._process = process
        try:
            async with aclosing(hear(process, parse_line, self._patience, self._is_busy)) as lines:
                async for said in lines:
                    self._take(said)
        finally:
            self._process = None
            await stop(process, _GRACE_SECONDS)
        return outcome(process)

    def _is_busy(self) -> bool:
        return bool(self._requests) or (self._ready is not None and not self._ready.done())

    def _take(self, said: ServerLine) -> None:
        if not isinstance(said, Ready):
            if said.id in self._requests:  # else it was cancelled in the meantime
                self._requests[said.id].put_nowait(said)
        elif self._ready is not None and not self._ready.done():
            self.batch = said.batch
            self._ready.set_result(said)

    def _lose(self, message: str) -> None:
        """Whoever waits for the server, or for pictures of it, waits no longer."""
        ready, self._ready = self._ready, None
        for request_id, events in self._requests.items():
            events.put_nowait(DrawFailed(id=request_id, code="server_lost", message=message))
        if ready is not None and not ready.done():
            ready.set_exception(ServerLost(message))
            ready.exception()  # it counts as seen also when nobody waits

    def _send(self, command: DrawCommand) -> None:
        """Never waits: a server that hangs reads nothing, and must not hold up who cancels."""
        if self._process is None or self._process.stdin is None:
            raise ServerLost("The process that draws pictures is not there.")
        self._process.stdin.write(command.model_dump_json().encode() + b"\n")
