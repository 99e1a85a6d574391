"""Files that are whole or not there: written beside, flushed, then renamed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file to be written; it takes its name when the block ends well, else nothing of it is left.

    Readers see the old file or all of the new one. Raises OSError when the disk is full.
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


def sync_folder(folder: Path) -> None:
    """Flush every file of a folder to the disk, so that a rename after it can't outlive its contents."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
