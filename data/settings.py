"""What each guild has set; everything else follows the defaults here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, NamedTuple, get_args

from aiosqlite import Connection

from data.database import Database

Language = Literal["auto", "en", "zh-CN"]
Size = Literal["square", "portrait", "landscape"]
Backend = Literal["auto", "local", "endpoint"]
SafetyLevel = Literal["strict", "standard", "off"]
QueueState = Literal["open", "paused", "drained"]

INSTALLATION = 0
"""The guild id whose queue states hold for every guild; no guild of Discord's has it."""

MAX_DAILY = 10_000
MAX_CONCURRENT = 100
MAX_WORDS = 500
MAX_PHOTO_DAYS = 365
MAX_PICTURE_DAYS = 3650
MIN_PICTURES, MAX_PICTURES = 10, 100_000
"""Between them lies what a server may keep of each person's pictures."""


class RoleQuota(NamedTuple):
    """What the people of a role may do; None sets no limit."""

    trainings: int | None = None
    """Trainings in 24 hours."""
    pictures: int | None = None
    """Pictures in 24 hours."""
    concurrent: int | None = None
    """Trainings, and drawings, that wait or run at once."""


@dataclass(frozen=True, slots=True)
class GuildSettings:
    """Settings of one guild. Raises ValueError for a value that makes no sense."""

    samples_channel_id: int | None = None
    """None finds or creates `#prompts`."""
    gallery_channel_id: int | None = None
    """Where shared pictures are shown; None takes the samples channel."""
    modlog_channel_id: int | None = None
    """Where reports go; None tells the admins in some other way."""
    train_enabled: bool = True
    train_roles: tuple[int, ...] = ()
    """Roles whose people may train; empty lets everybody."""
    imagine_roles: tuple[int, ...] = ()
    share_roles: tuple[int, ...] = ()
    daily_trainings: int | None = None
    """Trainings of one person in 24 hours; None sets no limit."""
    daily_pictures: int | None = None
    role_quotas: Mapping[int, RoleQuota] = field(default_factory=dict)
    """Quotas by role id, in place of the daily ones; of several roles the most generous counts."""
    max_steps: int = 4000
    """The most optimiser steps that one training may take."""
    default_steps: int | None = None
    """Steps of a training that asks for none; None follows `trainer.spec.steps_for`."""
    max_draw_steps: int = 100
    max_count: int = 4
    """The most pictures of one `/imagine`."""
    default_count: int | None = None
    """Pictures of one that asks for no number; None draws as many as it may."""
    max_guidance: float = 50.0
    default_draw_steps: int = 50
    default_guidance: float = 7.5
    default_size: Size = "square"
    bases: tuple[str, ...] = ()
    """Aliases of the base models that people may choose; empty offers the installation's own alone."""
    backends: tuple[Backend, ...] = ("auto", "local", "endpoint")
    """Where people may have their pictures drawn."""
    safety: SafetyLevel = "standard"
    words: tuple[str, ...] = ()
    """Words that no prompt may hold, unless `safety` is off."""
    photo_days: int = 0
    """How long photos are kept after their training; 0 removes them once it is done."""
    picture_days: int | None = None
    """How long drawn pictures are kept, unless they are shared; None keeps them for ever."""
    most_pictures: int | None = None
    """How many of each person's drawn pictures are kept, the newest; None keeps all."""
    digest: bool = False
    """Whether the best shared prompts of a week are posted."""
    language: Language = "auto"
    """`auto` answers each person in their own language."""
    queue_train: QueueState = "open"
    """`paused`: nothing that waits is started. `drained`: nothing new is taken, what waits is finished."""
    queue_draw: QueueState = "open"

    @property
    def usual_count(self) -> int:
        """How many pictures are drawn for whoever says nothing."""
        return min(self.default_count or self.max_count, self.max_count)

    @property
    def usual_guidance(self) -> float:
        """The guidance for whoever says nothing."""
        return min(self.default_guidance, self.max_guidance)

    def __post_init__(self) -> None:
        _within("max_steps", self.max_steps, 1)
        _within("max_draw_steps", self.max_draw_steps, 1, 200)
        _within("max_count", self.max_count, 1, 4)
        _within("max_guidance", self.max_guidance, 0, 50)
        _within("default_guidance", self.default_guidance, 0, 50)
        if self.default_count is not None:
            _within("default_count", self.default_count, 1, 4)
        _within("photo_days", self.photo_days, 0, MAX_PHOTO_DAYS)
        if self.picture_days is not None:
            _within("picture_days", self.picture_days, 1, MAX_PICTURE_DAYS)
        if self.most_pictures is not None:
            _within("most_pictures", self.most_pictures, MIN_PICTURES, MAX_PICTURES)
        if self.default_steps is not None and not 1 <= self.default_steps <= self.max_steps:
            raise ValueError("default_steps must lie between 1 and max_steps")
        if not 1 <= self.default_draw_steps <= self.max_draw_steps:
            raise ValueError("default_draw_steps must lie between 1 and max_draw_steps")
        for quota in (RoleQuota(self.daily_trainings, self.daily_pictures), *self.role_quotas.values()):
            _check_quota(quota)
        _one_of("language", self.language, get_args(Language))
        _one_of("default_size", self.default_size, get_args(Size))
        _one_of("safety", self.safety, get_args(SafetyLevel))
        for name in ("queue_train", "queue_draw"):
            _one_of(name, getattr(self, name), get_args(QueueState))
        if not self.backends:
            raise ValueError("backends must name at least one")
        for backend in self.backends:
            _one_of("backends", backend, get_args(Backend))
        if len(self.words) > MAX_WORDS or not all(word.strip() for word in self.words):
            raise ValueError(f"words must be at most {MAX_WORDS}, none of them empty")


class Settings:
    """The settings table."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, guild_id: int, tx: Connection | None = None) -> GuildSettings:
        rows = await self._db.rows(
            "SELECT key, value FROM settings WHERE guild_id = ?", (guild_id,), within=tx
        )
        known = GuildSettings.__dataclass_fields__
        # A key that an older or newer version wrote is none of ours.
        return GuildSettings(**{key: _decoded(key, json.loads(value)) for key, value in rows if key in known})

    async def of_all(self, key: str) -> dict[int, Any]:
        """What a field was set to, by guild, where it ever was."""
        rows = await self._db.rows("SELECT guild_id, value FROM settings WHERE key = ?", (key,))
        return {int(row["guild_id"]): _decoded(key, json.loads(row["value"])) for row in rows}

    async def update(self, guild_id: int, **changes: Any) -> GuildSettings:
        """Set fields of `GuildSettings`. Raises TypeError for an unknown one, ValueError for a bad value."""
        async with self._db.transaction() as tx:
            # Read inside: two admins at once must not keep two values that contradict each other.
            settings = replace(await self.get(guild_id, tx), **changes)
            values = asdict(settings)
            await tx.executemany(
                "INSERT INTO settings (guild_id, key, value) VALUES (?, ?, ?)"
                " ON CONFLICT (guild_id, key) DO UPDATE SET value = excluded.value",
                [(guild_id, key, json.dumps(values[key])) for key in changes],
            )
        return settings


def _decoded(key: str, value: Any) -> Any:
    """A value as JSON gives it back, in the form that the field has."""
    if key == "role_quotas":
        return {int(role): RoleQuota(*quota) for role, quota in value.items()}
    return tuple(value) if isinstance(value, list) else value


def _within(name: str, value: float, low: int, high: int | None = None) -> None:
    if value < low or (high is not None and value > high):
        raise ValueError(f"{name} must be at least {low}" + (f" and at most {high}" if high else ""))


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}")


def _check_quota(quota: RoleQuota) -> None:
    for value, high in zip(quota, (MAX_DAILY, MAX_DAILY, MAX_CONCURRENT), strict=True):
        if value is not None and not 0 <= value <= high:
            raise ValueError(f"a quota must lie between 0 and {high}")
