"""Discord's gateway: the WebSocket that tells a bot what happens, and lets it come back after a cut."""

from __future__ import annotations

import asyncio
import copy
import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import discord
from aiohttp import ClientConnectionResetError, web
from simcord.backend import Backend, serializers
from simcord.backend.cdn import CDN_BASE
from simcord.intents import prune_guild_create, required_intent

HEARTBEAT_SECONDS = 41.25


class Op(IntEnum):
    """What a frame of the gateway is, as Discord numbers it."""

    dispatch = 0
    heartbeat = 1
    identify = 2
    resume = 6
    reconnect = 7
    invalid_session = 9
    hello = 10
    heartbeat_ack = 11


@dataclass
class Session:
    """What one bot was told: all of it is kept, so that a resumed connection gets what it missed."""

    intents: discord.Intents
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    events: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, event: str, payload: object) -> None:
        frame = {"op": Op.dispatch, "t": event, "s": len(self.events) + 1, "d": payload}
        self.events.append(json.dumps(frame, default=str))
        self.news.set()


class Gateway:
    def __init__(self, backend: Backend, token: str) -> None:
        self._backend = backend
        self._token = token
        self._sessions: dict[str, Session] = {}
        self._connections: dict[web.WebSocketResponse, web.Request] = {}
        self.url = ""
        self.cdn_url = ""
        self.identified = 0
        self.resumed = 0
        backend.subscribers.append(self._happened)

    @property
    def connected(self) -> bool:
        return bool(self._connections)

    async def cut(self) -> None:
        """Every connection ends without a word; sessions can be resumed."""
        for request in [*self._connections.values()]:
            assert request.transport is not None
            request.transport.abort()

    async def close(self, code: int) -> None:
        """Every connection is closed with a code that says why, as Discord numbers it."""
        for socket in [*self._connections]:
            await socket.close(code=code)

    async def ask_to_reconnect(self) -> None:
        """What Discord does before it restarts a server of its own."""
        for socket in [*self._connections]:
            await socket.send_json({"op": Op.reconnect, "d": None})

    async def invalidate(self) -> None:
        """Sessions are forgotten: the bot has to identify anew."""
        self._sessions.clear()
        for socket in [*self._connections]:
            await socket.send_json({"op": Op.invalid_session, "d": False})

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One connection, from hello to its end."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._connections[socket] = request
        await socket.send_json({"op": Op.hello, "d": {"heartbeat_interval": int(HEARTBEAT_SECONDS * 1000)}})
        telling: list[asyncio.Task[None]] = []
        try:
            async for message in socket:
                frame = json.loads(message.data)
                match frame["op"]:
                    case Op.heartbeat:
                        await socket.send_json({"op": Op.heartbeat_ack})
                    case Op.identify | Op.resume:
                        begin = self._identify if frame["op"] == Op.identify else self._resume
                        begun = begin(frame["d"])
                        if begun is None:
                            await socket.send_json({"op": Op.invalid_session, "d": False})
                        else:
                            telling.append(asyncio.create_task(_tell(socket, self.cdn_url, *begun)))
        finally:
            del self._connections[socket]
            for task in telling:
                task.cancel()
        return socket

    def _identify(self, said: Mapping[str, Any]) -> tuple[Session, int] | None:
        if said["token"] != self._token:
            return None
        backend, session = self._backend, Session(discord.Intents._from_value(said["intents"]))
        self._sessions[session.id] = session
        self.identified += 1
        ready = {
            "v": 10,
            "user": serializers.user_payload(backend.bot_user),
            "guilds": [{"id": str(guild), "unavailable": True} for guild in backend.guilds],
            "session_id": session.id,
            "resume_gateway_url": self.url,
            "application": {"id": str(backend.application_id), "flags": 0},
            "shard": said.get("shard", [0, 1]),
        }
        session.tell("READY", ready)
        for guild in backend.guilds.values():
            self._tell(session, "GUILD_CREATE", serializers.guild_create_payload(backend, guild))
        return session, 0

    def _resume(self, said: Mapping[str, Any]) -> tuple[Session, int] | None:
        session = self._sessions.get(said["session_id"])
        if session is None or said["token"] != self._token:
            return None
        self.resumed += 1
        session.tell("RESUMED", {})
        return session, int(said["seq"])

    def _happened(self, event: str, payload: Mapping[str, Any]) -> None:
        for session in self._sessions.values():
            self._tell(session, event, payload)

    def _tell(self, session: Session, event: str, payload: Mapping[str, Any]) -> None:
        gate = required_intent(event, payload)
        if gate is not None and not getattr(session.intents, gate):
            return
        shown = copy.deepcopy(dict(payload))
        if event == "GUILD_CREATE":
            prune_guild_create(shown, session.intents, self._backend.bot_user.id)
        session.tell(event, shown)


async def _tell(socket: web.WebSocketResponse, cdn_url: str, session: Session, told: int) -> None:
    """Send a session's events from the first that the bot has not seen, as they come."""
    with suppress(ClientConnectionResetError):
        while True:
            session.news.clear()
            while told < len(session.events):
                await socket.send_str(session.events[told].replace(CDN_BASE, cdn_url))
                told += 1
            await session.news.wait()
