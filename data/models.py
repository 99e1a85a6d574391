"""Models that people trained."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from aiosqlite import Connection

from data.database import Database
from data.files import FileStore

Method = Literal["full", "lora"]


@dataclass(frozen=True, slots=True)
class Model:
    """One trained model."""

    id: int
    owner_id: int
    guild_id: int
    name: str
    class_name: str
    base: str
    path: Path
    """Folder in diffusers layout, or with `lora.json`, as `method` says."""
    trigger: str
    """What a prompt says to mean this subject, such as `abraza person`."""
    photos: int
    steps: int
    job_id: int
    created_at: float
    """Unix seconds."""
    method: Method
    title: str
    """What lists call it; the owner may change it, while `name` is what the model learned."""
    shared: bool
    """Whether everybody of its guild may draw with it."""
    is_default: bool
    """Whether its owner chose it to be what `me` means."""
    size_bytes: int
    """What its folder holds; 0 when nobody measured it."""
    uses: int
    """How many drawings were made with it."""

    def is_called(self, said: str) -> bool:
        """Whether `said` means this model: its number, its title, its name or its trigger phrase."""
        names = (str(self.id), self.title, self.name, self.trigger)
        return said.strip().casefold() in {name.casefold() for name in names}

    def usable_by(self, user_id: int, guild_id: int) -> bool:
        """Whether a person may draw with it in a guild."""
        return self.guild_id == guild_id and (self.owner_id == user_id or self.shared)


_USES = """(SELECT COUNT(*) FROM jobs
 WHERE jobs.model_id = models.id AND jobs.kind = 'draw' AND jobs.state = 'done') AS uses"""
_COLUMNS = ", ".join(field.name if field.name != "uses" else _USES for field in fields(Model))


class Models:
    """The model table. Methods that take `tx` join that transaction; the others commit by themselves."""

    def __init__(self, db: Database, files: FileStore) -> None:
        self._db = db
        self._files = files

    async def create(
        self,
        *,
        owner_id: int,
        guild_id: int,
        name: str,
        class_name: str,
        base: str,
        photos: int,
        steps: int,
        job_id: int,
        method: Method = "full",
        size_bytes: int = 0,
        tx: Connection | None = None,
    ) -> Model:
        """Record the model that a job made. Its folder is `FileStore.model(id)`."""
        async with self._db.transaction(tx) as connection:
            rows = await connection.execute_fetchall(
                "INSERT INTO models (owner_id, guild_id, name, title, class_name, base, path, trigger,"
                " photos, steps, job_id, method, size_bytes, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?, '', ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                (
                    owner_id,
                    guild_id,
                    name,
                    name,
                    class_name,
                    base,
                    f"{name} {class_name}",
                    photos,
                    steps,
                    job_id,
                    method,
                    size_bytes,
                    time.time(),
                ),
            )
            (model_id,) = (int(row["id"]) for row in rows)
            await connection.execute(
                "UPDATE models SET path = ? WHERE id = ?",
                (self._files.relative(self._files.model(model_id)), model_id),
            )
            rows = await connection.execute_fetchall(
                f"SELECT {_COLUMNS} FROM models WHERE id = ?", (model_id,)
            )
        return self._model(*rows)

    async def get(self, model_id: int) -> Model | None:
        row = await self._db.row(f"SELECT {_COLUMNS} FROM models WHERE id = ?", (model_id,))
        return self._model(row) if row else None

    async def of_user(self, user_id: int, guild_id: int) -> list[Model]:
        """A person's models in a guild, newest first."""
        rows = await self._db.rows(
            f"SELECT {_COLUMNS} FROM models WHERE owner_id = ? AND guild_id = ? ORDER BY id DESC",
            (user_id, guild_id),
        )
        return [self._model(row) for row in rows]

    async def usable(self, user_id: int, guild_id: int) -> list[Model]:
        """What a person may draw with in a guild: their own models, then shared ones, newest first."""
        rows = await self._db.rows(
            f"SELECT {_COLUMNS} FROM models WHERE guild_id = ? AND (owner_id = ? OR shared)"
            " ORDER BY owner_id = ? DESC, id DESC",
            (guild_id, user_id, user_id),
        )
        return [self._model(row) for row in rows]

    async def latest_of(self, user_id: int, guild_id: int) -> Model | None:
        """A person's newest model in a guild, or None."""
        models = await self.of_user(user_id, guild_id)
        return models[0] if models else None

    async def default_of(self, user_id: int, guild_id: int) -> Model | None:
        """What `me` means to a person in a guild: the model that they chose, else their newest, or None."""
        models = await self.of_user(user_id, guild_id)
        return next((model for model in models if model.is_default), models[0] if models else None)

    async def rename(self, model_id: int, title: str) -> None:
        """Give a model another title."""
        await self._update(model_id, title=title)

    async def share(self, model_id: int, shared: bool) -> None:
        """Let everybody of its guild draw with a model, or its owner alone."""
        await self._update(model_id, shared=int(shared))

    async def make_default(self, model_id: int) -> None:
        """Make a model what `me` means to its owner."""
        async with self._db.transaction() as tx:
            await tx.execute(
                "UPDATE models SET is_default = 0 WHERE (owner_id, guild_id) ="
                " (SELECT owner_id, guild_id FROM models WHERE id = ?)",
                (model_id,),
            )
            await tx.execute("UPDATE models SET is_default = 1 WHERE id = ?", (model_id,))

    async def delete(self, model_id: int, tx: Connection | None = None) -> bool:
        """Forget a model; its folder is the caller's to remove. False when there was none."""
        async with self._db.transaction(tx) as connection:
            cursor = await connection.execute("DELETE FROM models WHERE id = ?", (model_id,))
        return cursor.rowcount > 0

    async def _update(self, model_id: int, **changes: object) -> None:
        async with self._db.transaction() as tx:
            await tx.execute(
                f"UPDATE models SET {', '.join(f'{name} = ?' for name in changes)} WHERE id = ?",
                (*changes.values(), model_id),
            )

    def _model(self, row: sqlite3.Row) -> Model:
        values = dict(row)
        values |= {name: bool(values[name]) for name in ("shared", "is_default")}
        return Model(**values | {"path": self._files.absolute(values["path"])})
