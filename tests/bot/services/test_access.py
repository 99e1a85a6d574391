"""Who may ask for what: roles, quotas, jobs at once, and a queue that takes nothing new."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bot.services.access import Access, quota_of
from bot.services.refusal import Refusal
from data.jobs import Job, JobKind
from data.settings import INSTALLATION, GuildSettings, RoleQuota
from tests.bot.services.house import ANN, BOB, GUILD, House

MEMBER, PATRON = 100, 200


@pytest.fixture
def access(house: House) -> Access:
    return Access(house.db, house.jobs, house.settings, max_train_jobs=2, max_draw_jobs=5)


async def refused(access: Access, action: Any, **who: Any) -> Refusal | None:
    asked = {"user_id": ANN, "guild_id": GUILD, "role_ids": [MEMBER]} | who
    try:
        await access.check(action, **asked)
    except Refusal as refusal:
        return refusal
    return None


async def draw(house: House, count: int, user_id: int = ANN) -> Job:
    return await house.jobs.create(
        JobKind.draw,
        payload=f'{{"count": {count}}}',
        user_id=user_id,
        guild_id=GUILD,
        channel_id=1,
        locale="en",
    )


async def test_roles_bind_members_but_never_managers(house: House, access: Access) -> None:
    assert await refused(access, "train") is None
    await house.settings.update(GUILD, train_roles=(PATRON,), share_roles=(PATRON,))
    refusal = await refused(access, "train")
    assert refusal is not None and (refusal.code, refusal.params) == ("not_allowed_role", {"roles": [PATRON]})
    assert await refused(access, "share") is not None
    assert await refused(access, "imagine") is None
    assert await refused(access, "train", role_ids=[MEMBER, PATRON]) is None
    assert await refused(access, "train", manager=True) is None


async def test_a_daily_quota_says_when_it_is_over(house: House, access: Access) -> None:
    await house.settings.update(GUILD, daily_pictures=6)
    first = await draw(house, 4)
    assert await refused(access, "imagine", amount=2) is None
    refusal = await refused(access, "imagine", amount=3)
    assert refusal is not None and refusal.code == "quota_pictures"
    when = refusal.params["when"]
    assert isinstance(when, int) and when == int(first.created_at + 24 * 3600) + 1
    assert await refused(access, "imagine", amount=3, user_id=BOB) is None
    assert await refused(access, "imagine", amount=3, manager=True) is None
    never = await refused(access, "imagine", amount=7)
    assert never is not None and never.code == "quota_pictures_never"

    async with house.db.transaction() as tx:
        await tx.execute("UPDATE jobs SET created_at = ?", (time.time() - 25 * 3600,))
    assert await refused(access, "imagine", amount=6) is None


async def test_what_failed_or_never_began_is_not_counted(house: House, access: Access) -> None:
    await house.settings.update(GUILD, daily_pictures=4)
    await house.jobs.fail((await draw(house, 4)).id, "internal", "")
    await house.jobs.cancel((await draw(house, 4)).id)
    assert await refused(access, "imagine", amount=4) is None


async def test_jobs_at_once_are_counted_in_the_callers_transaction(house: House, access: Access) -> None:
    await house.settings.update(GUILD, role_quotas={PATRON: RoleQuota(concurrent=1)})
    async with house.db.transaction() as tx:
        await house.jobs.create(
            JobKind.draw, payload="{}", user_id=ANN, guild_id=GUILD, channel_id=1, locale="en", tx=tx
        )
        refusal = await refused(access, "imagine", role_ids=[PATRON], tx=tx)
        assert refusal is not None and (refusal.code, refusal.params["limit"]) == ("too_many_jobs", 1)
        assert await refused(access, "imagine", tx=tx) is None


async def test_a_drained_queue_takes_nothing_new(house: House, access: Access) -> None:
    await house.settings.update(GUILD, queue_train="drained")
    assert (await refused(access, "train", manager=True)).code == "queue_closed"  # type: ignore[union-attr]
    assert await refused(access, "imagine") is None
    await house.settings.update(GUILD, queue_train="open")
    await house.settings.update(INSTALLATION, queue_draw="drained")
    assert (await refused(access, "imagine")).code == "queue_closed"  # type: ignore[union-attr]


def test_of_several_roles_the_most_generous_counts() -> None:
    settings = GuildSettings(
        daily_trainings=1, role_quotas={MEMBER: RoleQuota(2, 10, 1), PATRON: RoleQuota(1, None, 3)}
    )
    assert quota_of(settings, [MEMBER, PATRON]) == RoleQuota(2, None, 3)
    assert quota_of(settings, [300]) == RoleQuota(1, None, None)
