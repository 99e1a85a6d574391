"""What each guild has set; everything else follows the defaults here."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from data.database import Database

Language = Literal["auto", "en", "zh-CN"]


@dataclass(frozen=True, slots=True)
class GuildSettings:
    """Settings of one guild. Raises ValueError for a value that makes no sense."""

    samples_channel_id: int | None = None
    """None finds or creates `#prompts`."""
    train_enabled: bool = True
    max_steps: int = 4000
    """The most optimiser steps that one training may take."""
    default_steps: int | None = None
    """Steps of a training that asks for none; None follows `trainer.spec.steps_for`."""
    language: Language = "auto"
    """`auto` answers each person in their own language."""

    def __post_init__(self) -> None:
        if self.max_steps < 1:
            raise ValueError("max_steps must be at least 1")
        if self.default_steps is not None and not 1 <= self.default_steps <= self.max_steps:
            raise ValueError("default_steps must lie between 1 and max_steps")
        if self.language not in get_args(Language):
            raise ValueError(f"language must be one of {', '.join(get_args(Language))}")


class Settings:
    """The settings table."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, guild_id: int) -> GuildSettings:
        rows = await self._db.rows("SELECT key, value FROM settings WHERE guild_id = ?", (guild_id,))
        known = GuildSettings.__dataclass_fields__
        # A key that an older or newer version wrote is none of ours.
        return GuildSettings(**{key: json.loads(value) for key, value in rows if key in known})

    async def update(self, guild_id: int, **changes: Any) -> GuildSettings:
        """Set fields of `GuildSettings`. Raises TypeError for an unknown one, ValueError for a bad value."""
        settings = replace(await self.get(guild_id), **changes)
        values = asdict(settings)
        async with self._db.transaction() as tx:
            await tx.executemany(
                "INSERT INTO settings (guild_id, key, value) VALUES (?, ?, ?)"
                " ON CONFLICT (guild_id, key) DO UPDATE SET value = excluded.value",
                [(guild_id, key, json.dumps(values[key])) for key in changes],
            )
        return settings
