"""From what people upload to crops in a folder. The bot's own process decodes none of it."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from bot.services.photo_reader import Bounds, read_photos
from bot.services.refusal import Notice, Refusal
from data.disk import sync_folder
from data.drafts import Crop
from data.files import FileStore
from trainer.fingerprints import Fingerprints
from trainer.intake import Found

MAX_CROPS = 25
"""Crops of one draft: a menu has no more options."""
_PEOPLE = 4
"""Whose photos are read at the same time, each in a process: the machine shares its cores between them."""
_FETCHED_AT_ONCE = 4
"""Uploads of one person that are in memory together."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it is sent; `fetch` raises Refusal where it can't be had."""

    filename: str
    fetch: Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Received:
    """Uploads as they were sent: `folder` holds them as `0` and so on, in the order of their `names`."""

    folder: Path
    names: tuple[str, ...]
    notices: tuple[Notice, ...]
    """Why some could not be had."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a set of uploads."""

    folder: Path
    """Holds the crops, as `0.png` and so on in their order."""
    crops: tuple[Crop, ...]
    usable: Received
    """The files that the crops were made of."""
    notices: tuple[Notice, ...]

    @property
    def clear(self) -> int:
        """Photos that can be used as they are; on the others a person has to choose a face."""
        return sum(not crop.face for crop in self.crops)

    @property
    def photos(self) -> int:
        return len({crop.photo for crop in self.crops})


class Intake:
    """Reads sets of uploads: one of each person at a time, and few people's at once."""

    def __init__(self, files: FileStore, bounds: Bounds | None = None) -> None:
        self._files = files
        self._bounds = bounds or Bounds()
        self._places = asyncio.Semaphore(_PEOPLE)
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def receive(self, uploads: Sequence[Upload], *, user_id: int) -> AsyncIterator[Received]:
        """Fetch a set and look at none of it. Whoever keeps the folder moves it within the block.

        Raises OSError, also where the disk is full.
        """
        async with self._turn(user_id), self._places, self._folder() as folder:
            yield await _receive(uploads, folder)

    @asynccontextmanager
    async def take(
        self, uploads: Sequence[Upload], *, size: int, class_name: str, user_id: int
    ) -> AsyncIterator[Taken]:
        """Fetch and crop a set, each bad file a notice. Whoever keeps a folder moves it within the block.

        Raises OSError, also where the disk is full.
        """
        async with self._turn(user_id), self._places, AsyncExitStack() as opened:
            sent, crops, usable = [await opened.enter_async_context(self._folder()) for _ in range(3)]
            received = await _receive(uploads, sent)
            found = await read_photos(
                [sent / str(place) for place in range(len(received.names))],
                size=size,
                class_name=class_name,
                bounds=self._bounds,
                log=self._files.logs / "intake.log",
            )
            yield await asyncio.to_thread(_keep, received, found, crops, usable)

    def _turn(self, user_id: int) -> asyncio.Lock:
        return self._turns.setdefault(user_id, asyncio.Lock())

    @asynccontextmanager
    async def _folder(self) -> AsyncIterator[Path]:
        folder = await asyncio.to_thread(self._files.incoming_draft)
        try:
            yield folder
        finally:
            await asyncio.to_thread(self._files.discard, folder)


async def _receive(uploads: Sequence[Upload], folder: Path) -> Received:
    room = asyncio.Semaphore(_FETCHED_AT_ONCE)
    missed = {}

    async def receive(number: int, upload: Upload) -> None:
        async with room:
            try:
                content = await upload.fetch()
            except Refusal as refusal:
                missed[number] = Notice(refusal.code, refusal.params)
            else:
                await asyncio.to_thread((folder / str(number)).write_bytes, content)

    await asyncio.gather(*(receive(number, upload) for number, upload in enumerate(uploads)))
    arrived = [number for number in range(len(uploads)) if number not in missed]
    await asyncio.to_thread(_collect, [folder / str(number) for number in arrived], folder)
    names = tuple(uploads[number].filename for number in arrived)
    return Received(folder, names, tuple(missed[number] for number in sorted(missed)))


def _collect(files: Sequence[Path], folder: Path) -> None:
    """Move files to a folder, numbered."""
    for place, file in enumerate(files):
        file.rename(folder / str(place))
    sync_folder(folder)


def _keep(received: Received, found: Sequence[Found], folder: Path, usable: Path) -> Taken:
    """Move the usable crops to a folder: first those of the clear photos, then the faces to choose from."""
    clear: list[Found] = []
    unclear: list[Found] = []
    notices: list[Notice] = []
    crowded: list[Notice] = []
    seen = Fingerprints()
    kept: list[int] = []
    for place, (name, one) in enumerate(zip(received.names, found, strict=True)):
        if one.code == "disk_full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if one.code or not seen.add(one.fingerprint):
            notices.append(Notice(one.code or "duplicate", {"name": name}))
            continue
        kept.append(place)
        if len(one.crops) == 1:
            clear.append(one)
        else:
            unclear.append(one)
            crowded.append(Notice("several_faces", {"name": name}))
    crops = [Crop(number, found=one.face) for number, one in enumerate(clear, 1)]
    files = [one.crops[0] for one in clear]
    for number, one in enumerate(unclear, len(clear) + 1):
        for letter, file in zip("abcd", one.crops, strict=False):
            crops.append(Crop(number, face=letter, used=False))
            files.append(file)
    for place, file in enumerate(files[:MAX_CROPS]):
        file.rename(folder / f"{place}.png")
    sync_folder(folder)
    _collect([received.folder / str(place) for place in kept], usable)
    sent = Received(usable, tuple(received.names[place] for place in kept), ())
    return Taken(folder, tuple(crops[:MAX_CROPS]), sent, (*received.notices, *notices, *crowded))
