"""Files that are whole or not there: written beside, flushed, then renamed; and locks between processes.

And what is looked at before anything is written, so that nobody loses a file of his own.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from data.errors import is_disk_full

_log = logging.getLogger(__name__)


def typed_path(text: str) -> Path:
    """A path that a person typed: `~` is the home folder, also where no shell has replaced it."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # there is nobody of that name
        return Path(text)


def is_free(folder: Path, *marks: str) -> bool:
    """Whether a folder may be filled and cleared: it isn't there, is empty, or holds one of our `marks`.

    Hidden files don't count. Raises OSError where it is a file or can't be read.
    """
    if not folder.exists() or any((folder / mark).exists() for mark in marks):
        return True
    return all(entry.name.startswith(".") for entry in folder.iterdir())


def nearest(folder: Path) -> Path:
    """A folder, or the first above it that is there."""
    return next(one for one in (folder, *folder.absolute().parents) if one.exists())


def check_writable(folder: Path) -> None:
    """Raise OSError unless files can be made in a folder, or where it would be made; nothing is left."""
    with tempfile.TemporaryFile(dir=nearest(folder)) as file:
        file.write(b"\0")


def remove(path: Path) -> None:
    """Remove a file, or a folder with all it holds; what is gone already, also because somebody else is at
    it, is fine. Raises OSError.
    """
    if path.is_dir():
        shutil.rmtree(path, onerror=_unless_gone)
    else:
        path.unlink(missing_ok=True)


def _unless_gone(
    _call: Callable[..., object], _path: str, found: tuple[type[BaseException], BaseException, TracebackType]
) -> None:
    if not isinstance(found[1], FileNotFoundError):
        raise found[1]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file to be written; it takes its name when the block ends well, else nothing of it is left.

    Readers see the old file or all of the new one. Only one may write it at a time: processes that share a
    folder hold a lock (`locked`). Raises OSError when the disk is full.
    """
    incoming = path.with_name(path.name + ".incoming")
    try:
        with incoming.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        incoming.rename(path)
    except BaseException:
        incoming.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def if_there_is_room(what: str) -> Iterator[None]:
    """Do without something that finds no room on the disk; the log says so."""
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        _log.warning("the disk is full: %s is left out", what)


@contextlib.contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """The same for a whole folder: what the block puts into the empty one it gets takes `folder`'s place."""
    incoming = folder.with_name(folder.name + ".incoming")
    shutil.rmtree(incoming, ignore_errors=True)
    try:
        incoming.mkdir(parents=True)
        yield incoming
        sync_folder(incoming)
        if folder.exists():
            shutil.rmtree(folder)
        incoming.rename(folder)
    except BaseException:
        shutil.rmtree(incoming, ignore_errors=True)
        raise


def shorten(log: Path, most: int) -> None:
    """Empty a log that holds more than `most` bytes; the last so many of them lie in `<name>.1` from then on.

    Whoever appends to it goes on, with the same open file, at the beginning; a line that comes in this very
    moment may be lost. Raises OSError.
    """
    with log.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if size <= most:
            return
        file.seek(max(0, size - most))
        end = file.read(most)
        file.truncate(0)  # first: it may be what has filled the disk
    with replacing(log.with_name(log.name + ".1")) as before:
        before.write(end)


@contextlib.contextmanager
def locked(file: Path, on_wait: Callable[[], None], *, shared: bool = False) -> Iterator[None]:
    """Hold a lock file, alone or with others who share it.

    While somebody else is in the way, `on_wait` is called again and again and may raise.

    It is free as soon as its holder is gone, however that ended.
    """
    with file.open("w") as handle:
        while not _try_lock(handle.fileno(), fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
            on_wait()
            time.sleep(0.1)
        yield


def _try_lock(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Flush every file of a folder to the disk, so that a rename after it can't outlive its contents."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
