"""What is stored about a person, to take along: zip files, packed on disk and one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sqlite3
import zipfile
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.services.refusal import Refusal
from data.database import Database
from data.files import FileStore
from data.personal import Personal, Table

_AT_ONCE = 2
"""Downloads that are packed and sent at once; further ones wait for their turn."""
_MOST_PARTS = 8
_PART_HEADROOM = 64 * 1024
_ENTRY_HEADROOM = 512
"""Bytes of a zip file that are not its contents: of all of it, and of each file in it."""
_ROWS_BYTES = 4 * 2**20
"""The most that one file of rows holds, and so what is held in memory of them."""


@dataclass(frozen=True, slots=True)
class Download:
    """Parts that each fit into an upload, and how many files were too big or too many."""

    home: Path
    folder: Path
    contents: Sequence[Sequence[Path]]
    left_out: int

    async def parts(self) -> AsyncGenerator[Path, None]:
        """Zip files in turn; each is gone when the next is asked for."""
        for number, files in enumerate(self.contents, 1):
            name = "likeness.zip" if len(self.contents) == 1 else f"likeness-{number}.zip"
            part = self.folder / name
            await asyncio.to_thread(self._pack, part, files)
            yield part
            await asyncio.to_thread(part.unlink)

    def _pack(self, part: Path, files: Iterable[Path]) -> None:
        with zipfile.ZipFile(part, "w") as archive:
            for file in files:
                rows = file.parent == self.folder
                with contextlib.suppress(FileNotFoundError):  # erased since it was listed
                    archive.write(
                        file,
                        file.name if rows else file.relative_to(self.home).as_posix(),
                        zipfile.ZIP_DEFLATED if rows else zipfile.ZIP_STORED,
                    )


class Downloads:
    """One at a time for each person, and few at once. Nothing is read into memory as a whole."""

    def __init__(self, db: Database, files: FileStore) -> None:
        self._files = files
        self._personal = Personal(db)
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._under_way: set[int] = set()

    @contextlib.asynccontextmanager
    async def open(self, user_id: int, limit: int, most: int = _MOST_PARTS) -> AsyncGenerator[Download, None]:
        """All rows, the photos that are kept and the pictures, in at most `most` parts of `limit` bytes.

        Raises Refusal(download_runs), OSError.
        """
        if user_id in self._under_way:
            raise Refusal("download_runs")
        self._under_way.add(user_id)
        try:
            async with self._places:
                folder = await asyncio.to_thread(self._files.incoming_download)
                try:
                    tables = await self._personal.held("user")
                    yield await asyncio.to_thread(_listed, self._files, tables, user_id, folder, limit, most)
                finally:
                    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        finally:
            self._under_way.discard(user_id)


def _listed(
    files: FileStore, tables: Sequence[Table], user_id: int, folder: Path, limit: int, most: int
) -> Download:
    """Blocking. The rows come first, then photos, then pictures as long as there is room, newest first."""
    # A connection of its own: the bot's only reader goes on, and all rows are of one moment.
    with contextlib.closing(
        sqlite3.connect(f"{files.database.as_uri()}?mode=ro", uri=True, isolation_level=None)
    ) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        rows = _write_rows(connection, tables, user_id, folder)
        found = [*rows, *_photos(connection, files, user_id), *_pictures(connection, files, user_id)]
    contents, left_out = _split(found, limit, most)
    return Download(files.home, folder, contents, left_out)


def _write_rows(
    connection: sqlite3.Connection, tables: Sequence[Table], user_id: int, folder: Path
) -> list[Path]:
    """`data.json`, and further ones where there is much: objects of a table's name and its rows."""
    written: list[Path] = []
    lines: dict[str, list[str]] = {}
    size = 0

    def write() -> None:
        path = folder / ("data.json" if not written else f"data-{len(written) + 1}.json")
        members = [json.dumps(name) + ": [\n" + ",\n".join(some) + "\n]" for name, some in lines.items()]
        path.write_text("{\n" + ",\n".join(members) + "\n}\n", encoding="utf-8")
        written.append(path)

    for table in tables:
        for row in connection.execute(table.select, [user_id] * table.marks):
            line = json.dumps(dict(row), ensure_ascii=False)
            if size + len(line) > _ROWS_BYTES:
                write()
                lines.clear()
                size = 0
            lines.setdefault(table.name, []).append(line)
            size += len(line)
    write()
    return written


def _photos(connection: sqlite3.Connection, files: FileStore, user_id: int) -> Iterator[Path]:
    """Of trainings their photos, of drafts everything."""
    trainings = connection.execute("SELECT id FROM jobs WHERE user_id = ? AND kind = 'train'", (user_id,))
    for (job_id,) in trainings:
        yield from sorted(files.job(job_id).glob("photos/**/*"))
    for (draft_id,) in connection.execute("SELECT id FROM drafts WHERE user_id = ?", (user_id,)):
        yield from sorted(files.draft(draft_id).glob("*"))


def _pictures(connection: sqlite3.Connection, files: FileStore, user_id: int) -> Iterator[Path]:
    found = connection.execute(
        "SELECT path FROM pictures WHERE deleted_at IS NULL"
        " AND job_id IN (SELECT id FROM jobs WHERE user_id = ?) ORDER BY id DESC",
        (user_id,),
    )
    for (path,) in found:
        yield files.absolute(path)


def _split(files: Iterable[Path], limit: int, most: int) -> tuple[list[list[Path]], int]:
    """Put files into parts of at most `limit` bytes; also how many found no room."""
    parts: list[list[Path]] = [[]]
    size, left_out = _PART_HEADROOM, 0
    for file in files:
        if not file.is_file():
            continue
        takes = file.stat().st_size + _ENTRY_HEADROOM
        fits = size + takes <= limit
        if takes + _PART_HEADROOM > limit or (not fits and len(parts) == most):
            left_out += 1
            continue
        if not fits:
            parts.append([])
            size = _PART_HEADROOM
        parts[-1].append(file)
        size += takes
    return parts, left_out
