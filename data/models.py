"""Models that people trained."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass, fields
from pathlib import Path

from aiosqlite import Connection

from data.database import Database
from data.files import FileStore


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
    """Folder in diffusers layout."""
    trigger: str
    """What a prompt says to mean this subject, such as `abraza person`."""
    photos: int
    steps: int
    job_id: int
    created_at: float
    """Unix seconds."""


_COLUMNS = ", ".join(field.name for field in fields(Model))


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
        tx: Connection | None = None,
    ) -> Model:
        """Record the model that a job made. Its folder is `FileStore.model(id)`."""
        async with self._db.transaction(tx) as connection:
            rows = await connection.execute_fetchall(
                "INSERT INTO models (owner_id, guild_id, name, class_name, base, path, trigger, photos,"
                " steps, job_id, created_at) VALUES (?, ?, ?, ?, ?, '', ?, ?, ?, ?, ?) RETURNING id",
                (
                    owner_id,
                    guild_id,
                    name,
                    class_name,
                    base,
                    f"{name} {class_name}",
                    photos,
                    steps,
                    job_id,
                    time.time(),
                ),
            )
            (model_id,) = (int(row["id"]) for row in rows)
            rows = await connection.execute_fetchall(
                f"UPDATE models SET path = ? WHERE id = ? RETURNING {_COLUMNS}",
                (self._files.relative(self._files.model(model_id)), model_id),
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

    async def latest_of(self, user_id: int, guild_id: int) -> Model | None:
        """A person's newest model in a guild, or None."""
        models = await self.of_user(user_id, guild_id)
        return models[0] if models else None

    async def delete(self, model_id: int) -> bool:
        """Forget a model; its folder is the caller's to remove. False when there was none."""
        async with self._db.transaction() as tx:
            cursor = await tx.execute("DELETE FROM models WHERE id = ?", (model_id,))
        return cursor.rowcount > 0

    def _model(self, row: sqlite3.Row) -> Model:
        values = dict(row)
        return Model(**values | {"path": self._files.absolute(values["path"])})
