"""Keeps the cards of exports and publications true.

They are nobody else's business: a card is the private answer to whoever asked, for as long as Discord lets
us edit that, and then, or after a restart, a direct message.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import discord
from discord import ui

from bot.faults import Fault, fault_of, nowhere_to_go, too_large
from bot.messenger import Place, Render, Sheet, Subject
from bot.ui.handover_cards import ended_card, moved_on, running_card
from data.handovers import Handover
from data.models import Model

if TYPE_CHECKING:
    from bot.app import App
    from bot.client import LikenessBot

_Send = Callable[[Render], Awaitable[None]]

log = logging.getLogger(__name__)

_LIVE = timedelta(minutes=14)
"""How long an answer is edited; Discord forbids it after 15 minutes."""
_SMALLEST_LIMIT = discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES
"""Bytes that a file may have in a direct message."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """The private answer to an interaction, as long as it can be edited."""

    interaction: discord.Interaction[LikenessBot]
    context: contextvars.Context
    """discord.py keeps its way to Discord's webhooks in the context of whoever asked."""

    @property
    def live(self) -> bool:
        return discord.utils.utcnow() - self.interaction.created_at < _LIVE

    async def edit(self, render: Render) -> None:
        sheet = await render()
        if sheet is not None:
            edit = self.interaction.edit_original_response(view=sheet.view, attachments=sheet.files)
            await asyncio.create_task(edit, context=self.context)


class HandoverCards:
    """The runner's listener. An end that Discord did not take is raised, and comes again later."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._live: dict[int, _Answer] = {}
        self._rendered: dict[int, object] = {}
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def follow(self, interaction: discord.Interaction[LikenessBot], handover_id: int) -> None:
        """Show a handover, and what becomes of it, as the answer to an interaction that was deferred."""
        self._live[handover_id] = _Answer(interaction, contextvars.copy_context())
        self._rendered.pop(handover_id, None)
        handover = await self._show(handover_id)
        if handover is not None and handover.announced:
            self._forget(handover_id)

    async def handover_moved(self, handover_id: int) -> None:
        """See HandoverListener."""
        await self._show(handover_id)

    async def handover_ended(self, handover_id: int) -> None:
        """See HandoverListener."""
        await self._show(handover_id)
        self._forget(handover_id)

    def _forget(self, handover_id: int) -> None:
        self._live.pop(handover_id, None)
        self._rendered.pop(handover_id, None)

    async def _show(self, handover_id: int) -> Handover | None:
        await self._app.bot.up.wait()
        async with self._locks.setdefault(handover_id, asyncio.Lock()):
            handover = await self._app.handovers.get(handover_id)
            model = await self._app.models.get(handover.model_id) if handover is not None else None
            if handover is None or model is None:  # erased
                self._forget(handover_id)
                return None
            if not await self._answer(handover, model):
                await self._write(handover, model)
            return handover

    async def _answer(self, handover: Handover, model: Model) -> bool:
        """Edit the answer to the one who asked. False when that is no longer possible."""
        answer = self._live.get(handover.id)
        if answer is None:
            return False
        try:
            if answer.live:
                await self._render(handover, model, answer.interaction.filesize_limit, answer.edit)
                return True
            await answer.edit(partial(_moved_on, handover.locale))
        except discord.HTTPException as error:
            if fault_of(error) is Fault.trouble:
                raise
            log.info("the answer about handover %d is gone: %s", handover.id, error)
        self._forget(handover.id)
        return False

    async def _write(self, handover: Handover, model: Model) -> None:
        """Show it in a direct message, which outlives restarts."""

        async def send(render: Render) -> None:
            await self._app.messenger.show(await self._subject(handover), render)

        with nowhere_to_go(f"the card of handover {handover.id}"):
            await self._render(handover, model, _SMALLEST_LIMIT, send)

    async def _subject(self, handover: Handover) -> Subject:
        """A handover's card in a direct message."""
        inbox = await self._app.bot.create_dm(discord.Object(handover.user_id))

        async def find() -> Place | None:
            current = await self._app.handovers.get(handover.id)
            if current is None or current.channel_id is None or current.message_id is None:
                return None
            return Place(current.channel_id, current.message_id)

        async def keep(place: Place) -> bool:
            return await self._app.handovers.set_message(handover.id, *place)

        return Subject(f"handover:{handover.id}", inbox.id, None, find, keep)

    async def _render(self, handover: Handover, model: Model, limit: int, send: _Send) -> None:
        """Send the card as it is now, unless it is there already."""
        rendered: object = None

        async def sheet(limit: int) -> Sheet | None:
            nonlocal rendered
            view, file = await self._card(handover, model, limit)
            rendered = view.to_components()  # type: ignore[no-untyped-call]
            return (
                Sheet(view, [file] if file else []) if rendered != self._rendered.get(handover.id) else None
            )

        try:
            await send(partial(sheet, limit))
        except discord.HTTPException as error:
            if not too_large(error) or handover.size_bytes is None:
                raise
            await send(partial(sheet, min(_SMALLEST_LIMIT, handover.size_bytes - 1)))
        self._rendered[handover.id] = rendered

    async def _card(
        self, handover: Handover, model: Model, limit: int
    ) -> tuple[ui.LayoutView, discord.File | None]:
        if not handover.ended:
            return running_card(handover, model, self._app.handover_runner.moved(handover.id)), None
        file = None
        if handover.path is not None and (handover.size_bytes or 0) <= limit and handover.path.is_file():
            file = await asyncio.to_thread(discord.File, handover.path)
        return ended_card(handover, model, file, limit), file


async def _moved_on(locale: str) -> Sheet:
    return Sheet(moved_on(locale))
