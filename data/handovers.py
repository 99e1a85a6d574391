"""Exports and publications that people asked for, from the first second to their end."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from aiosqlite import Connection

from data.database import Database
from data.files import FileStore

Kind = Literal["export", "publish"]
State = Literal["asked", "running", "done", "failed", "cancelled"]
Format = Literal["safetensors", "ckpt", "lora"]

OPEN = "state IN ('asked', 'running')"


@dataclass(frozen=True, slots=True)
class Handover:
    """One export or publication. Times are Unix seconds."""

    id: int
    kind: Kind
    state: State
    """`asked` waits for a second yes, because it would be public."""
    user_id: int
    guild_id: int
    model_id: int
    locale: str
    channel_id: int | None
    message_id: int | None
    """Its card in a direct message, if it has one."""
    format: Format | None
    half: bool
    path: Path | None
    """The finished file of an export."""
    size_bytes: int | None
    repository: str | None
    public: bool
    keep_token: bool
    url: str | None
    others: tuple[str, ...]
    """Files in the repository that are not ours."""
    made_private: bool
    """Whether it took the repository out of everybody's sight."""
    attempts: int
    error_code: str | None
    error: str | None
    announced: bool
    """Whether its owner was told how it ended."""
    created_at: float
    finished_at: float | None

    @property
    def ended(self) -> bool:
        return self.state not in ("asked", "running")


_COLUMNS = ", ".join(field.name for field in fields(Handover))
_FLAGS = ("half", "public", "keep_token", "made_private", "announced")


class Handovers:
    """The table of handovers. Methods that take `tx` join that transaction."""

    def __init__(self, db: Database, files: FileStore) -> None:
        self._db = db
        self._files = files

    async def create(
        self,
        kind: Kind,
        state: State,
        *,
        user_id: int,
        guild_id: int,
        model_id: int,
        locale: str,
        format: Format | None = None,
        half: bool = False,
        repository: str | None = None,
        public: bool = False,
        keep_token: bool = False,
        tx: Connection,
    ) -> Handover | None:
        """Record what a person asked for. None while another one of theirs runs."""
        # Who asks for something else has said no to what still waited for a yes.
        await tx.execute("DELETE FROM handovers WHERE user_id = ? AND state = 'asked'", (user_id,))
        values = {
            "kind": kind,
            "state": state,
            "user_id": user_id,
            "guild_id": guild_id,
            "model_id": model_id,
            "locale": locale,
            "format": format,
            "half": half,
            "repository": repository,
            "public": public,
            "keep_token": keep_token,
            "created_at": time.time(),
        }
        rows = await tx.execute_fetchall(
            f"INSERT INTO handovers ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"
            f" ON CONFLICT DO NOTHING RETURNING {_COLUMNS}",
            tuple(values.values()),
        )
        return next((self._handover(row) for row in rows), None)

    async def get(self, handover_id: int) -> Handover | None:
        row = await self._db.row(f"SELECT {_COLUMNS} FROM handovers WHERE id = ?", (handover_id,))
        return self._handover(row) if row else None

    async def running(self) -> list[Handover]:
        """Everything that runs, or ran when the bot was stopped."""
        return await self._where("state = 'running'")

    async def untold(self) -> list[Handover]:
        """What ended and its owner doesn't know yet."""
        return await self._where("finished_at IS NOT NULL AND NOT announced")

    async def open_of(self, model_id: int) -> list[Handover]:
        """What of a model waits for a yes or runs."""
        return await self._where(f"{OPEN} AND model_id = ?", (model_id,))

    async def ids_of(self, model_id: int) -> list[int]:
        """All of a model."""
        rows = await self._db.rows("SELECT id FROM handovers WHERE model_id = ?", (model_id,))
        return [int(row["id"]) for row in rows]

    async def exported(self, model_id: int, user_id: int, format: Format, half: bool) -> Handover | None:
        """The export of this kind whose file is still kept, or None."""
        found = await self._where(
            "kind = 'export' AND state = 'done' AND model_id = ? AND user_id = ? AND format = ? AND half = ?",
            (model_id, user_id, format, half),
        )
        return found[-1] if found else None

    async def last_repository(self, model_id: int, user_id: int) -> str | None:
        """Where a person last wanted this model to be published."""
        row = await self._db.row(
            "SELECT repository FROM handovers WHERE kind = 'publish' AND model_id = ? AND user_id = ?"
            " ORDER BY id DESC",
            (model_id, user_id),
        )
        return row["repository"] if row else None

    async def say_yes(self, handover_id: int) -> bool:
        """asked -> running. False when it no longer waits for that."""
        return await self._move(handover_id, ("asked",), state="running")

    async def begin(self, handover_id: int) -> Handover | None:
        """A process takes it up. None when it no longer runs."""
        async with self._db.transaction() as tx:
            rows = await tx.execute_fetchall(
                "UPDATE handovers SET attempts = attempts + 1 WHERE id = ? AND state = 'running'"
                f" RETURNING {_COLUMNS}",
                (handover_id,),
            )
        return next((self._handover(row) for row in rows), None)

    async def pause(self, handover_id: int) -> None:
        """The process stopped in order: this attempt does not count as lost."""
        async with self._db.transaction() as tx:
            await tx.execute("UPDATE handovers SET attempts = attempts - 1 WHERE id = ?", (handover_id,))

    async def note_private(self, handover_id: int) -> None:
        """Its repository was for everybody to see, and is no longer."""
        async with self._db.transaction() as tx:
            await tx.execute("UPDATE handovers SET made_private = 1 WHERE id = ?", (handover_id,))

    async def end(self, handover_id: int, state: State, tx: Connection, **outcome: Any) -> bool:
        """asked or running -> ended. False when it had ended before."""
        return await self._move(
            handover_id, ("asked", "running"), tx, state=state, finished_at=time.time(), **outcome
        )

    async def set_message(self, handover_id: int, channel_id: int, message_id: int) -> bool:
        """Remember where its card is. False when there is no such handover any more."""
        async with self._db.transaction() as tx:
            cursor = await tx.execute(
                "UPDATE handovers SET channel_id = ?, message_id = ? WHERE id = ?",
                (channel_id, message_id, handover_id),
            )
        return cursor.rowcount > 0

    async def mark_announced(self, handover_id: int) -> None:
        async with self._db.transaction() as tx:
            await tx.execute("UPDATE handovers SET announced = 1 WHERE id = ?", (handover_id,))

    async def over(self, *, asked_before: float, ended_before: float) -> list[Handover]:
        """What nobody said yes to, and what ended long enough ago to be forgotten."""
        return await self._where(
            "(state = 'asked' AND created_at < ?) OR finished_at < ?", (asked_before, ended_before)
        )

    async def delete(self, handover_id: int, tx: Connection) -> None:
        await tx.execute("DELETE FROM handovers WHERE id = ?", (handover_id,))

    async def _where(self, condition: str, parameters: Sequence[Any] = ()) -> list[Handover]:
        rows = await self._db.rows(
            f"SELECT {_COLUMNS} FROM handovers WHERE {condition} ORDER BY id", parameters
        )
        return [self._handover(row) for row in rows]

    async def _move(
        self, handover_id: int, before: Sequence[State], tx: Connection | None = None, **changes: Any
    ) -> bool:
        states = ", ".join(f"'{state}'" for state in before)
        async with self._db.transaction(tx) as connection:
            cursor = await connection.execute(
                f"UPDATE handovers SET {', '.join(f'{name} = ?' for name in changes)}"
                f" WHERE id = ? AND state IN ({states})",
                (*changes.values(), handover_id),
            )
        return cursor.rowcount > 0

    def _handover(self, row: sqlite3.Row) -> Handover:
        values: dict[str, Any] = dict(row)
        values |= {name: bool(values[name]) for name in _FLAGS}
        path = self._files.absolute(values["path"]) if values["path"] else None
        return Handover(**values | {"path": path, "others": tuple(json.loads(values["others"]))})
