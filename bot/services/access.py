"""Who may ask for what, and how often: roles, daily quotas, jobs at once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Literal

from aiosqlite import Connection

from bot.services.refusal import Refusal
from data.database import Database
from data.jobs import Job, JobKind, Jobs
from data.settings import INSTALLATION, GuildSettings, RoleQuota, Settings

Action = Literal["train", "imagine", "share"]
Paused = Literal["here", "everywhere"] | None
"""Where an admin paused a queue: for its server, or for the whole installation."""

DAY_SECONDS = 24 * 3600.0

_KINDS: Mapping[Action, JobKind] = {"train": JobKind.train, "imagine": JobKind.draw}

# What failed, and what was called off before it began, took nothing from anybody.
_SPENT = """
SELECT created_at, CASE kind WHEN 'draw' THEN IFNULL(json_extract(payload, '$.count'), 1) ELSE 1 END AS amount
FROM jobs
WHERE user_id = ? AND guild_id = ? AND kind = ? AND created_at > ?
    AND state != 'failed' AND NOT (state = 'cancelled' AND started_at IS NULL)
ORDER BY created_at
"""


class Access:
    """Asked before anything is queued or shared; everything it counts, it counts in the jobs table."""

    def __init__(
        self, db: Database, jobs: Jobs, settings: Settings, *, max_train_jobs: int, max_draw_jobs: int
    ) -> None:
        self._db = db
        self._jobs = jobs
        self._settings = settings
        self._most = {JobKind.train: max_train_jobs, JobKind.draw: max_draw_jobs}

    async def check(
        self,
        action: Action,
        *,
        user_id: int,
        guild_id: int,
        role_ids: Sequence[int],
        manager: bool = False,
        amount: int = 1,
        tx: Connection | None = None,
    ) -> None:
        """Whether a person may train, draw `amount` pictures, or share, now.

        A `manager` (administrators and who manages the guild) is bound by no role and no daily quota.
        Pass `tx` to count inside the transaction that queues the job: of two clicks at once only one can
        then be the last.

        Raises Refusal: training_disabled, not_allowed_role, queue_closed, too_many_jobs, quota_trainings,
        quota_pictures.
        """
        settings = await self._settings.get(guild_id, tx)
        if action == "train" and not settings.train_enabled:
            raise Refusal("training_disabled")
        if not manager:
            _check_roles(settings, action, role_ids)
        if action == "share":
            return
        kind = _KINDS[action]
        await self._check_open(settings, kind, tx)
        quota = quota_of(settings, role_ids)
        most = self._most[kind] if quota.concurrent is None else min(self._most[kind], quota.concurrent)
        if await self._jobs.active(user_id, kind, tx) >= most:
            raise Refusal("too_many_jobs", limit=most)
        daily = quota.trainings if kind is JobKind.train else quota.pictures
        if daily is not None and not manager:
            await self._check_quota(kind, user_id, guild_id, daily, amount, tx)

    async def _check_open(self, settings: GuildSettings, kind: JobKind, tx: Connection | None) -> None:
        everywhere = await self._settings.get(INSTALLATION, tx)
        if "drained" in (queue_state(settings, kind), queue_state(everywhere, kind)):
            raise Refusal("queue_closed")

    async def _check_quota(
        self, kind: JobKind, user_id: int, guild_id: int, daily: int, amount: int, tx: Connection | None
    ) -> None:
        code = "quota_trainings" if kind is JobKind.train else "quota_pictures"
        if amount > daily:
            raise Refusal(f"{code}_never", limit=daily)
        since = time.time() - DAY_SECONDS
        spent = [
            (float(row["created_at"]), int(row["amount"]))
            for row in await self._db.rows(_SPENT, (user_id, guild_id, kind, since), within=tx)
        ]
        over = sum(count for _, count in spent) + amount - daily
        if over <= 0:
            return
        for when, count in spent:  # the oldest come back first
            over -= count
            if over <= 0:
                raise Refusal(code, limit=daily, when=int(when + DAY_SECONDS) + 1)


def quota_of(settings: GuildSettings, role_ids: Sequence[int]) -> RoleQuota:
    """What a person with these roles may do: the most generous of their roles, else what everybody may."""
    mine = [settings.role_quotas[role] for role in role_ids if role in settings.role_quotas]
    if not mine:
        return RoleQuota(settings.daily_trainings, settings.daily_pictures)
    return RoleQuota(*(_most_generous(values) for values in zip(*mine, strict=True)))


async def paused_at(settings: Settings, job: Job) -> Paused:
    """Why a job that waits is not served, however near its place is."""
    if queue_state(await settings.get(INSTALLATION), job.kind) == "paused":
        return "everywhere"
    return "here" if queue_state(await settings.get(job.guild_id), job.kind) == "paused" else None


def queue_state(settings: GuildSettings, kind: JobKind) -> str:
    """`open`, `paused` or `drained`."""
    return settings.queue_train if kind is JobKind.train else settings.queue_draw


def _most_generous(values: Sequence[int | None]) -> int | None:
    limits = [value for value in values if value is not None]
    return max(limits) if len(limits) == len(values) else None


def _check_roles(settings: GuildSettings, action: Action, role_ids: Sequence[int]) -> None:
    allowed = {
        "train": settings.train_roles,
        "imagine": settings.imagine_roles,
        "share": settings.share_roles,
    }[action]
    if allowed and not set(allowed) & set(role_ids):
        raise Refusal("not_allowed_role", roles=list(allowed))
