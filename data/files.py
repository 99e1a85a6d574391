"""Where everything that is kept lies on disk, and how it gets there: written beside, then renamed."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import os
import re
import time
import uuid
from collections.abc import Hashable
from pathlib import Path

from data.disk import remove
from data.ids import row_id

logger = logging.getLogger(__name__)

_INCOMING = ".incoming"
DATABASE = "likeness.sqlite3"
SECRET_KEY = "secret.key"
_SWEPT = ("jobs", "drafts", "handovers", "models", "outgoing", "pictures")
"""Folders in which whatever the database doesn't know is removed."""


class DatabaseMissing(RuntimeError):
    """Folders are full and no database knows of what: it is somebody else's, or its database was lost."""


def check_database(home: Path) -> None:
    """Raise DatabaseMissing where a new database would have everything that lies in `home` swept away."""
    database = home / DATABASE
    if database.exists() and database.stat().st_size:
        return
    if full := [name for name in _SWEPT if any((home / name).glob("*"))]:
        raise DatabaseMissing(
            f"{home.resolve()} holds files in {', '.join(full)}, but no database {DATABASE} that knows them. "
            "Put the database back from your backup, or choose an empty folder as LIKENESS_HOME."
        )


def keep_private(path: Path) -> None:
    """Take a file or folder out of other people's reach: faces are nobody's business on this machine.

    What is made later is private by the umask of the process, see `bot.__main__`.
    """
    mode = path.stat().st_mode
    if mode & 0o077:
        with contextlib.suppress(OSError):  # a volume that is another user's, who says who may enter
            path.chmod(mode & 0o7700)


class FileStore:
    """The folder `home`, which is all that a backup needs. Blocking: call from a thread where it matters."""

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self._opened = time.time()
        self._left: dict[Path, Hashable] = {}
        """What could not be removed so far, and whose it is."""
        for folder in (self.home, *self._swept, self.logs, self.home / "class_images"):
            folder.mkdir(parents=True, exist_ok=True)
            keep_private(folder)
        for file in self.home.glob(f"{DATABASE}*"):
            keep_private(file)

    @property
    def _swept(self) -> tuple[Path, ...]:
        return tuple(self.home / name for name in _SWEPT)

    @property
    def database(self) -> Path:
        return self.home / DATABASE

    def sweep_backups(self, before: float) -> None:
        """Sweep away what an update made of the database before a time (of time.time)."""
        for backup in self.home.glob(f"{self.database.name}.before-*"):
            if backup.stat().st_mtime < before:
                self.sweep_away(backup)

    @property
    def secret_key(self) -> Path:
        """What opens the sealed tokens in the database: a backup that should not hold both leaves it out."""
        return self.home / SECRET_KEY

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def jobs(self) -> Path:
        return self.home / "jobs"

    @property
    def models(self) -> Path:
        return self.home / "models"

    @property
    def all_pictures(self) -> Path:
        return self.home / "pictures"

    def job(self, job_id: int) -> Path:
        """Working folder of a training job; it is gone once the job is done."""
        return self.jobs / str(job_id)

    @property
    def drafts(self) -> Path:
        return self.home / "drafts"

    def draft(self, draft_id: int) -> Path:
        """Cropped photos of a training that was not started yet."""
        return self.drafts / str(draft_id)

    @property
    def handovers(self) -> Path:
        return self.home / "handovers"

    def handover(self, handover_id: int) -> Path:
        """What an export or publication makes; it is gone some days after its end."""
        return self.handovers / str(handover_id)

    def model(self, model_id: int) -> Path:
        return self.models / str(model_id)

    def pictures(self, job_id: int) -> Path:
        """Pictures of a job: its drawings, or the samples of its training."""
        return self.all_pictures / str(job_id)

    @property
    def style_examples(self) -> Path:
        """Pictures that show what a style looks like; they may be removed and are drawn again."""
        return self.home / "styles"

    def class_pool(self, base: str) -> Path:
        """Class images drawn by `base`, shared by all jobs that start from it."""
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", base).strip("-.")
        if slug != base:  # then another base may have the same one
            slug += "-" + hashlib.sha256(base.encode()).hexdigest()[:8]
        return self.home / "class_images" / slug

    def relative(self, path: Path) -> str:
        """The form that the database keeps. Raises ValueError for a path outside of home."""
        return path.relative_to(self.home).as_posix()

    def absolute(self, relative: str) -> Path:
        return self.home / relative

    def incoming_job(self) -> Path:
        """A new, empty folder to fill and then `adopt`; swept at the next start if that never happens."""
        folder = self.jobs / f"{uuid.uuid4().hex}{_INCOMING}"
        folder.mkdir()
        return folder

    def incoming_draft(self) -> Path:
        """As `incoming_job`, for a draft."""
        folder = self.drafts / f"{uuid.uuid4().hex}{_INCOMING}"
        folder.mkdir()
        return folder

    def incoming_download(self) -> Path:
        """A new, empty folder for what a person takes along; swept at the next start if it is left."""
        folder = self.home / "outgoing" / f"{uuid.uuid4().hex}{_INCOMING}"
        folder.mkdir()
        return folder

    def adopt(self, source: Path, target: Path) -> None:
        """Move a finished folder to its place. Done already is fine. Raises OSError."""
        if target.exists() and not source.exists():
            return
        source.rename(target)
        _sync_folder(target.parent)

    def remove(self, path: Path) -> None:
        """Remove a file, or a folder with all it holds; gone already is fine. Raises OSError."""
        leaving = path
        if not path.name.endswith(_INCOMING):
            # Under a name of its own: nobody finds half of it, also after a crash.
            leaving = path.with_name(f"{path.name}.{uuid.uuid4().hex}{_INCOMING}")
            try:
                path.rename(leaving)
            except FileNotFoundError:
                return
        remove(leaving)

    def sweep_away(self, path: Path) -> None:
        """As `remove`; what can't be removed now is logged, and left to the next sweep."""
        try:
            self.remove(path)
        except OSError as error:
            logger.warning("%s could not be removed yet: %s", path, error)

    def discard(self, path: Path, whose: Hashable = None) -> None:
        """As `remove`, of what never gets that name again: what can't be removed now is logged, and tried
        again by `discard_left`.
        """
        try:
            self.remove(path)
            if path in self._left:
                for leaving in path.parent.glob(f"{path.name}.*{_INCOMING}"):
                    remove(leaving)
        except OSError as error:
            logger.warning("%s could not be removed yet: %s", path, error)
            self._left[path] = whose or self._left.get(path)
        else:
            self._left.pop(path, None)

    def discard_left(self) -> None:
        """Try again to remove what could not be removed so far."""
        for path, whose in [*self._left.items()]:
            self.discard(path, whose)

    def has_left(self, whose: Hashable) -> bool:
        """Whether something is left that was to be removed and belongs to `whose`."""
        return whose in [*self._left.values()]

    def sweep(self) -> None:
        """Sweep away what a crash left half-written, but for pictures (see `sweep_pictures`)."""
        places = [(self.home, f"{name}*{_INCOMING}") for name in (DATABASE, SECRET_KEY)]
        folders = {*self._swept, self.style_examples} - {self.all_pictures}
        places += [(folder, f"*{_INCOMING}") for folder in folders]
        for folder, pattern in places:
            for leftover in folder.glob(pattern):
                self.sweep_away(leftover)

    def stray_pictures(self, newest: int) -> list[Path]:
        """Folders of pictures of jobs later than `newest`, and what a crash left of those being removed."""
        with os.scandir(self.all_pictures) as entries:
            return [
                Path(one.path)
                for one in entries
                if (row_id(one.name) or 0) > newest
                or (one.name.endswith(_INCOMING) and _changed(one) < self._opened)
            ]

    def sweep_pictures(self, job_id: int) -> None:
        """Sweep away what a crash left half-written of a job's pictures."""
        for leftover in self.pictures(job_id).glob(f"*{_INCOMING}"):
            self.sweep_away(leftover)


def _changed(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat().st_ctime
    except FileNotFoundError:  # whoever removes it is at it right now
        return math.inf


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 when there is none. Blocking."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.exists() else 0


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
