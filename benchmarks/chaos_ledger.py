"""What must hold in a home whatever was killed: nothing is lost, there twice or left over."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import Counter
from dataclasses import dataclass

from PIL import Image

from data.files import FileStore
from data.jobs import JobKind, JobState
from inference.errors import ModelError
from inference.weights import check_whole


@dataclass(frozen=True, slots=True)
class Entry:
    """A job as the database has it."""

    id: int
    kind: JobKind
    state: JobState
    wish: str
    """What it was asked for by: the prompt of a drawing, the name of a training."""
    announced: bool
    error_code: str | None
    model_id: int | None

    @property
    def open(self) -> bool:
        return not self.state.ended or not self.announced


class Ledger:
    """Reads a home beside the bot that works in it, and remembers what it once saw there."""

    def __init__(self, files: FileStore) -> None:
        self._files = files
        self.jobs: dict[int, Entry] = {}
        self.breaches: list[str] = []
        self._read: set[int] = set()
        """Jobs whose files were opened."""

    def look(self) -> None:
        """Compare with what was there before, and open what has come since. Blocking."""
        with contextlib.closing(self._connect()) as db:
            self._hold(db.execute("PRAGMA quick_check").fetchall() == [("ok",)], "the database is damaged")
            self._hold(not db.execute("PRAGMA foreign_key_check").fetchall(), "a row points at nothing")
            now = {entry.id: entry for entry in map(_entry, db.execute(_JOBS))}
            for entry in now.values():
                if not entry.open and entry.state is JobState.done and entry.id not in self._read:
                    self._read.add(entry.id)
                    self._open_files(db, entry)
        for before in self.jobs.values():
            after = now.get(before.id)
            self._hold(after is not None, f"job {before.id} is lost")
            if after is not None and before.state.ended:
                self._hold(after.state is before.state, f"job {before.id} ended twice")
        for wish, count in Counter(entry.wish for entry in now.values()).items():
            self._hold(count == 1, f"{wish!r} was asked for once and is there {count} times")
        self.jobs = now

    def look_for_leftovers(self) -> None:
        """Once no job is open: what lies in the home and belongs to nobody. Blocking."""
        with contextlib.closing(self._connect()) as db:
            owned = {
                self._files.all_pictures: "SELECT DISTINCT job_id FROM pictures WHERE deleted_at IS NULL",
                self._files.models: "SELECT id FROM models",
                self._files.drafts: "SELECT id FROM drafts",
                self._files.jobs: "SELECT id FROM jobs WHERE kind = 'train' AND state = 'failed'",
            }
            for folder, query in owned.items():
                known = {str(number) for (number,) in db.execute(query)}
                for entry in folder.iterdir():
                    self._hold(entry.name in known, f"{folder.name}/{entry.name} belongs to nobody")
        for half in self._files.home.rglob("*.incoming"):
            self._hold(False, f"{half.name} was left half-written")

    def _open_files(self, db: sqlite3.Connection, entry: Entry) -> None:
        paths = db.execute("SELECT path FROM pictures WHERE job_id = ? AND deleted_at IS NULL", (entry.id,))
        pictures = [self._files.absolute(path) for (path,) in paths]
        self._hold(bool(pictures), f"job {entry.id} is done and has no picture")
        for picture in pictures:
            try:
                with Image.open(picture) as image:
                    image.load()
            except OSError:
                self._hold(False, f"{picture.relative_to(self._files.home)} can't be opened")
        if entry.kind is JobKind.train:
            weights = list(self._files.model(entry.model_id or 0).rglob("*.safetensors"))
            self._hold(bool(weights), f"job {entry.id} is done and has no model")
            for file in weights:
                try:
                    check_whole(file, file.name)
                except ModelError as error:
                    self._hold(False, f"the model of job {entry.id}: {error.message}")

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self._files.database.as_uri()}?mode=ro", uri=True)

    def _hold(self, holds: bool, otherwise: str) -> None:
        if not holds and otherwise not in self.breaches:
            self.breaches.append(otherwise)


_JOBS = "SELECT id, kind, state, payload, announced, error_code, model_id FROM jobs"


def _entry(row: tuple[int, str, str, str, int, str | None, int | None]) -> Entry:
    number, kind, state, payload, announced, code, model = row
    asked = json.loads(payload)
    wish = asked["concepts"][0]["name"] if kind == JobKind.train else asked["prompt"]
    return Entry(number, JobKind(kind), JobState(state), wish, bool(announced), code, model)
