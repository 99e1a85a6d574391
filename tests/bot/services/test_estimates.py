"""Times measured on what was done, and a queue that admins pause and reorder."""

from __future__ import annotations

from bot.services.estimates import Estimates
from data.jobs import Job, JobKind
from data.settings import INSTALLATION
from tests.bot.services.house import ANN, BOB, GUILD, House

DRAWING = '{"base": "mini", "steps": 50, "count": 2}'


async def draw(house: House, user_id: int = ANN, guild_id: int = GUILD) -> Job:
    return await house.jobs.create(
        JobKind.draw, payload=DRAWING, user_id=user_id, guild_id=guild_id, channel_id=1, locale="en"
    )


async def test_waits_add_up_from_the_measured_speed(house: House) -> None:
    estimates = Estimates(house.db, house.jobs)
    done = await draw(house)
    assert await estimates.waits(JobKind.draw) == {}, "nothing was measured yet"
    await house.jobs.start(done.id)
    await house.jobs.finish(done.id)
    async with house.db.transaction() as tx:
        await tx.execute("UPDATE jobs SET finished_at = started_at + 10")

    assert await estimates.seconds_per_step(JobKind.draw, "mini") == 0.1
    assert await estimates.seconds_per_step(JobKind.draw, "sd15") is None
    running, first, second = await draw(house), await draw(house, BOB), await draw(house)
    await house.jobs.start(running.id)
    await house.jobs.progress(running.id, phase="draw", step=1, steps=50, seconds_left=4)
    assert await estimates.waits(JobKind.draw) == {running.id: 4, first.id: 14, second.id: 24}


async def test_a_moved_job_is_next(house: House) -> None:
    first, second = await draw(house), await draw(house)
    assert await house.jobs.move_to_front(second.id)
    assert [job.id for job in await house.jobs.queued(JobKind.draw)] == [second.id, first.id]
    await house.jobs.cancel(first.id)
    assert not await house.jobs.move_to_front(first.id)


async def test_a_paused_queue_waits_for_its_guild_or_for_everybody(house: House) -> None:
    here, elsewhere = await draw(house), await draw(house, BOB, GUILD + 1)

    async def chosen() -> int | None:
        job = await house.jobs.next_fair(JobKind.draw)
        return job.id if job else None

    assert await chosen() == here.id
    await house.settings.update(GUILD, queue_draw="paused", queue_train="open")
    assert await chosen() == elsewhere.id
    assert [job.id for job in await house.jobs.queued(JobKind.draw)] == [elsewhere.id, here.id]
    await house.settings.update(INSTALLATION, queue_draw="paused")
    assert await chosen() is None
    await house.settings.update(INSTALLATION, queue_draw="open")
    await house.settings.update(GUILD, queue_draw="open", queue_train="paused")
    assert await chosen() == here.id
