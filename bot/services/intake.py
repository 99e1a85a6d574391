"""From what people upload to crops in a folder. The bot's own process decodes none of it."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
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
class Taken:
    """What became of a set of uploads. `folder` holds the crops, as `0.png` and so on in their order."""

    folder: Path
    crops: tuple[Crop, ...]
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
    async def take(
        self, uploads: Sequence[Upload], *, size: int, class_name: str, user_id: int
    ) -> AsyncIterator[Taken]:
        """Fetch and crop a set, each bad file a notice. Whoever keeps the folder moves it within the block.

        Raises OSError, also where the disk is full.
        """
        turn = self._turns.setdefault(user_id, asyncio.Lock())
        async with turn, self._places:
            received = await asyncio.to_thread(self._files.incoming_draft)
            kept = await asyncio.to_thread(self._files.incoming_draft)
            try:
                missed = await _receive(uploads, received)
                numbers = [number for number in range(len(uploads)) if number not in missed]
                found = await read_photos(
                    [received / str(number) for number in numbers],
                    size=size,
                    class_name=class_name,
                    bounds=self._bounds,
                    log=self._files.logs / "intake.log",
                )
                names = [uploads[number].filename for number in numbers]
                taken = await asyncio.to_thread(_keep, names, found, kept)
                missing = [missed[number] for number in sorted(missed)]
                yield Taken(kept, taken.crops, (*missing, *taken.notices))
            finally:
                await asyncio.to_thread(self._files.remove, received)
                await asyncio.to_thread(self._files.remove, kept)


async def _receive(uploads: Sequence[Upload], folder: Path) -> dict[int, Notice]:
    """Write the uploads into a folder, each under its number; returns why some could not be fetched."""
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
    return missed


def _keep(names: Sequence[str], found: Sequence[Found], folder: Path) -> Taken:
    """Move the usable crops to a folder: first those of the clear photos, then the faces to choose from."""
    clear: list[Found] = []
    unclear: list[Found] = []
    notices: list[Notice] = []
    crowded: list[Notice] = []
    seen = Fingerprints()
    for name, one in zip(names, found, strict=True):
        if one.code == "disk_full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if one.code or not seen.add(one.fingerprint):
            notices.append(Notice(one.code or "duplicate", {"name": name}))
        elif len(one.crops) == 1:
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
    return Taken(folder, tuple(crops[:MAX_CROPS]), (*notices, *crowded))
