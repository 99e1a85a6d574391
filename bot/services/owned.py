"""What the owner of a model may do with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from bot.services.refusal import Refusal
from data.database import Database
from data.files import FileStore
from data.models import Model, Models

MAX_TITLE = 40


class OwnedModels:
    """Renames, shares, prefers and removes; everything is refused to anybody but the owner.

    `cancel` stops a job that waits or runs, `halt` whatever exports or publishes a model, and says where its
    files are.
    """

    def __init__(
        self,
        db: Database,
        files: FileStore,
        models: Models,
        cancel: Callable[[int], Awaitable[bool]],
        halt: Callable[[int], Awaitable[Sequence[Path]]],
    ) -> None:
        self._db = db
        self._files = files
        self._models = models
        self._cancel = cancel
        self._halt = halt

    async def own(self, model_id: int, user_id: int) -> Model:
        """A person's own model. Raises Refusal(no_such_model), whether it is nobody's or somebody else's."""
        model = await self._models.get(model_id)
        if model is None or model.owner_id != user_id:
            raise Refusal("no_such_model")
        return model

    async def rename(self, model_id: int, user_id: int, title: str) -> None:
        """Raises Refusal: no_such_model, bad_title."""
        await self.own(model_id, user_id)
        title = " ".join(title.split())
        if not 1 <= len(title) <= MAX_TITLE:
            raise Refusal("bad_title", limit=MAX_TITLE)
        await self._models.rename(model_id, title)

    async def share(self, model_id: int, user_id: int, shared: bool) -> None:
        """Raises Refusal(no_such_model)."""
        await self.own(model_id, user_id)
        await self._models.share(model_id, shared)

    async def prefer(self, model_id: int, user_id: int) -> None:
        """Make it what `me` means to its owner. Raises Refusal(no_such_model)."""
        await self.own(model_id, user_id)
        await self._models.make_default(model_id)

    async def drawings(self, model_id: int) -> list[int]:
        """Drawings with a model that wait or run."""
        rows = await self._db.rows(
            "SELECT id FROM jobs WHERE model_id = ? AND kind = 'draw' AND state IN ('queued', 'running')",
            (model_id,),
        )
        return [int(row["id"]) for row in rows]

    async def delete(self, model_id: int, user_id: int) -> Model:
        """Remove a model and return what it was; drawings with it that wait or run are cancelled,
        and exports of it removed.

        Raises Refusal(no_such_model).
        """
        model = await self.own(model_id, user_id)
        drawings = await self.drawings(model_id)
        exports = await self._halt(model_id)
        # The row first: from here on nobody can ask for a drawing with it, and a crash leaves a folder that
        # the next start removes.
        await self._models.delete(model_id)
        for job_id in drawings:
            await self._cancel(job_id)
        for folder in (*exports, model.path):
            await asyncio.to_thread(self._files.discard, folder)
        return model
