"""What a test of the face does and sees: uploads, commands, and the texts of cards."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import discord
import numpy as np
from PIL import Image
from simcord.actors import MemberActor
from simcord.components import walk_components
from simcord.results import InteractionResult, ResponseMessage

from bot.sandbox import World

T = TypeVar("T")
Photo = tuple[str, bytes]


def photos(count: int = 3) -> list[Photo]:
    """Different pictures, as a person would upload them."""
    return [(f"photo-{number}.png", png(number)) for number in range(count)]


def png(seed: int, side: int = 128) -> bytes:
    """A picture of its own: sharp patches."""
    patches = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(patches).resize((side, side), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


async def train(
    here: World, count: int = 3, by: MemberActor | None = None, **options: object
) -> InteractionResult:
    """`/train` with attached photos, as the visitor or somebody else, and Start where the sheet offers it."""
    sheet = await prepare(here, count, by, **options)
    if sheet.response is None or "Start" not in text_of(sheet.response).splitlines():
        return sheet
    return await (by or here.visitor).click(sheet.response, label="Start")


async def prepare(
    here: World, count: int = 3, by: MemberActor | None = None, **options: object
) -> InteractionResult:
    """`/train` with attached photos, as the visitor or somebody else."""
    attached = {f"photo{number}": photo for number, photo in enumerate(photos(count), 1)}
    wanted: dict[str, object] = {"name": "abraza", "consent": True} | attached | options
    return await (by or here.visitor).slash(here.studio, "train", **wanted)


async def eventually(look: Callable[[], Awaitable[T] | T], seconds: float = 15) -> T:
    """What `look` sees once it sees something."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        seen = look()
        value = await seen if isinstance(seen, Awaitable) else seen
        if value:
            return value
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.05)


def text_of(message: discord.Message | ResponseMessage | None) -> str:
    """Everything that a card says, with the labels of its buttons."""
    assert message is not None
    said = [str(part.get("content") or part.get("label") or "") for part in parts_of(message)]
    return "\n".join(line for line in said if line)


def cards(here: World, needle: str) -> list[discord.Message]:
    """The messages of both channels that say `needle`."""
    messages = [*here.studio.history(), *here.prompts.history()]
    return [message for message in messages if needle in text_of(message)]


async def card_saying(here: World, needle: str) -> discord.Message:
    return (await eventually(lambda: cards(here, needle)))[-1]


def parts_of(message: discord.Message | ResponseMessage) -> list[dict[str, Any]]:
    """All components of a card, flat."""
    raw = [part if isinstance(part, dict) else part.to_dict() for part in message.components]
    return list(walk_components(raw))


def alt_texts(message: discord.Message) -> list[str | None]:
    """The descriptions of a card's pictures."""
    return [item.get("description") for part in parts_of(message) for item in part.get("items", [])]
