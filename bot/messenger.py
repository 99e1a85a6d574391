"""One owner of every message that the bot posts and keeps true.

A message has a subject, such as a job. Of one subject one call is under way at a time, so it is posted
once, however slow Discord is, and whoever wants to show more waits for the post and edits it. The nonce
of a post follows from its subject: Discord answers a repeated one with the message that it has, also
after a restart within minutes.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar
from weakref import WeakValueDictionary

import discord
from discord import ui

from bot.faults import CUT, UNKNOWN_CHANNEL, Fault, archived, fault_of, said, too_large
from bot.pace import Lane, Pace, Rank, Turn
from data.database import until_written
from data.recent import Recent

log = logging.getLogger(__name__)

T = TypeVar("T")
Shown = discord.Message | discord.PartialMessage

RETRY_SECONDS = 1.0
"""Before a call whose connection was cut is made once more."""

_REMEMBERED = 10_000


class Sheet(NamedTuple):
    """What a message shows. Files are used up by a call, so each call gets a sheet of its own."""

    view: ui.LayoutView
    files: Sequence[discord.File | discord.Attachment] = ()


Render = Callable[[], Awaitable[Sheet | None]]
"""What there is to show when the call's turn has come; None: nothing, or nothing new."""


class Place(NamedTuple):
    """Where a message is."""

    channel_id: int
    message_id: int


async def _nowhere() -> Place | None:
    return None


async def _anyway(_place: Place) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Subject:
    """What a message is about, and where it goes if it is not there yet."""

    key: str
    channel_id: int
    guild_id: int | None = None
    find: Callable[[], Awaitable[Place | None]] = _nowhere
    """Where the database says that it is."""
    keep: Callable[[Place], Awaitable[bool]] = _anyway
    """Remember where it is. False when nobody wants it any more, as after an erasure: it is then removed."""


class Messenger:
    """Posts, edits and removes. Raises what discord.py does; `bot.faults` says what that means.

    A channel that was deleted, and a message that can't be edited, are remembered and not tried again.
    """

    def __init__(
        self, client: discord.Client, discard: Callable[[Place], Awaitable[None]], pace: Pace | None = None
    ) -> None:
        self._client = client
        self._discard = discard
        self._pace = pace or Pace()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._lanes: WeakValueDictionary[tuple[str, int], Lane] = WeakValueDictionary()
        self._turns: dict[str, Turn] = {}
        """Of each subject the call that is under way or waits."""
        self._gone: Recent[int, None] = Recent(_REMEMBERED)
        """Channels that are not there any more, and messages that can't be edited."""

    async def show(self, subject: Subject, render: Render, rank: Rank = Rank.end) -> Shown | None:
        """Edit the message, or post one where there is none any more. None: there was nothing to show, or
        no place for it.
        """
        turn = self._turns.get(subject.key)
        if turn is not None:
            turn.hurry(rank)
        async with self._locks.setdefault(subject.key, asyncio.Lock()):
            place = await subject.find()
            if place is not None:
                edited = await self._edit(subject, place, render, rank)
                if edited is not None:
                    return edited
            return await self._post(subject, render, rank, replaces=place)

    async def update(
        self, subject: Subject, render: Render, later: Callable[[], None]
    ) -> discord.Message | None:
        """Edit the message if it is there and nothing else goes on in its channel; else `later` is called
        when that is so, by when there may be something newer to show.
        """
        place = await subject.find()
        if place is None or subject.key in self._turns:
            return None
        lane = self._lane("edit", place.channel_id)
        if not lane.idle:
            lane.when_idle(subject.key, later)
            return None
        async with self._locks.setdefault(subject.key, asyncio.Lock()):
            edited = await self._edit(subject, place, render, Rank.first)
        return edited if isinstance(edited, discord.Message) else None

    async def remove(self, place: Place) -> None:
        """Delete a message; nothing happens where it is gone."""
        message = self._message(place)

        async def delete() -> None:
            try:
                await message.delete()
            except discord.HTTPException as error:
                thread = await self._client.fetch_channel(place.channel_id) if archived(error) else None
                if not isinstance(thread, discord.Thread):
                    raise
                await thread.edit(archived=False)
                await message.delete()

        try:
            await self._call("delete", place.channel_id, f"removal:{place.message_id}", Rank.end, delete)
        except discord.HTTPException as error:
            if fault_of(error) is Fault.trouble:
                raise
            if not isinstance(error, discord.NotFound):
                log.warning("message %d can't be removed: %s", place.message_id, error)

    async def _edit(self, subject: Subject, place: Place, render: Render, rank: Rank) -> Shown | None:
        """The message, edited if there was anything new to show; None when it can't be edited any more."""
        if place.channel_id in self._gone or place.message_id in self._gone:
            return None
        message = self._message(place, subject.guild_id)

        async def edit() -> Shown:
            sheet = await render()
            return await message.edit(view=sheet.view, attachments=sheet.files) if sheet else message

        try:
            return await self._call("edit", place.channel_id, subject.key, rank, edit)
        except discord.HTTPException as error:
            if fault_of(error) is Fault.trouble or too_large(error):
                raise
            log.info("the message about %s can't be edited any more: %s", subject.key, error)
            self._gone[place.message_id] = None
            return None

    async def _post(
        self, subject: Subject, render: Render, rank: Rank, replaces: Place | None
    ) -> Shown | None:
        if subject.channel_id in self._gone:
            return None
        channel = self._client.get_partial_messageable(subject.channel_id, guild_id=subject.guild_id)
        nonce = _nonce(subject, replaces)
        sent: Sheet | None = None

        async def post() -> discord.Message | None:
            nonlocal sent
            # What was sent before may be there although nobody wants it any more: it has to be found.
            sheet = await render() or sent
            if sheet is None:
                return None
            sent, files = sheet, [file for file in sheet.files if isinstance(file, discord.File)]
            for file in files:
                file.reset()
            return await channel.send(view=sheet.view, files=files, nonce=nonce)

        message = await self._call("post", subject.channel_id, subject.key, rank, post)
        if message is None or sent is None:
            return None
        place = Place(message.channel.id, message.id)
        if not await until_written(lambda: subject.keep(place)):
            await self._discard(place)
            return message
        if replaces is not None:
            # It may be there all the same, as in an archived thread, with buttons that nobody keeps true.
            await self._discard(replaces)
        if _words(message.components) != _words(sent.view.walk_children()):
            # An earlier post whose answer was lost: it is there, and shows what was true then.
            return await self._edit(subject, place, render, rank) or message
        return message

    async def _call(
        self, kind: str, channel_id: int, key: str, rank: Rank, call: Callable[[], Awaitable[T]]
    ) -> T:
        """Make a call in its turn, and once more when its connection was cut."""
        lane, turn = self._lane(kind, channel_id), Turn(rank)
        self._turns[key] = turn
        try:
            async with lane.turn(turn):
                await self._pace.wait()
                try:
                    return await call()
                except CUT as error:
                    log.info("once more, for %s: %s", key, said(error))
                await asyncio.sleep(RETRY_SECONDS)
                await self._pace.wait()
                return await call()
        except discord.NotFound as error:
            if error.code == UNKNOWN_CHANNEL and channel_id not in self._gone:
                log.warning("channel %d is not there any more: nothing more is shown in it", channel_id)
                self._gone[channel_id] = None
            raise
        finally:
            self._turns.pop(key, None)

    def _lane(self, kind: str, channel_id: int) -> Lane:
        return self._lanes.setdefault((kind, channel_id), Lane())

    def _message(self, place: Place, guild_id: int | None = None) -> discord.PartialMessage:
        channel = self._client.get_partial_messageable(place.channel_id, guild_id=guild_id)
        return channel.get_partial_message(place.message_id)


def _nonce(subject: Subject, replaces: Place | None) -> str:
    """At most 25 characters. A post in the place of a message that is gone is another post."""
    said = f"{subject.key} {replaces.message_id if replaces else 0}"
    return hashlib.blake2b(said.encode(), digest_size=12).hexdigest()


def _words(components: Iterable[Any]) -> list[str]:
    """What components say, without the white space that Discord may trim."""
    words: list[str] = []
    for component in components:
        if isinstance(component, ui.TextDisplay | discord.TextDisplay):
            words += component.content.split()
        elif not isinstance(component, ui.Item):
            words += _words(getattr(component, "children", ()))
    return words
