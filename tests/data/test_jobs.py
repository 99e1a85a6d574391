from collections.abc import Awaitable, Callable

import pytest

from data.database import Database
from data.jobs import Job, JobKind, Jobs, JobState, Lane

Make = Callable[..., Awaitable[Job]]
ANN, BOB, EVE = 1, 2, 3


@pytest.fixture
def jobs(db: Database) -> Jobs:
    return Jobs(db)


@pytest.fixture
def make(jobs: Jobs) -> Make:
    async def make(user: int = ANN, kind: JobKind = JobKind.train, lane: Lane = Lane.gpu) -> Job:
        return await jobs.create(
            kind, user_id=user, guild_id=7, channel_id=8, payload="{}", locale="en", steps=10, lane=lane
        )

    return make


async def serve(jobs: Jobs) -> Job:
    job = await jobs.next_fair(JobKind.train)
    assert job is not None
    assert await jobs.start(job.id)
    done = await jobs.finish(job.id)
    assert done is not None
    return done


async def test_a_created_job_reads_back_as_it_was_given(jobs: Jobs) -> None:
    created = await jobs.create(
        JobKind.train,
        user_id=2**62,
        guild_id=7,
        channel_id=8,
        payload='{"base": "mini"}',
        locale="zh-CN",
        steps=400,
        photos=6,
        consent_at=12.5,
    )
    assert created == await jobs.get(created.id)
    assert (created.state, created.user_id, created.locale) == (JobState.queued, 2**62, "zh-CN")
    assert (created.steps, created.photos, created.consent_at, created.announced) == (400, 6, 12.5, False)
    assert await jobs.get(created.id + 1) is None


async def test_a_job_goes_through_its_states(jobs: Jobs, make: Make) -> None:
    job = await make()
    await jobs.set_message(job.id, 80, 90)
    assert await jobs.progress(job.id, phase="train", step=1, steps=10) is None, "it does not run yet"
    started = await jobs.start(job.id)
    assert started is not None and started.state is JobState.running and started.started_at
    assert await jobs.start(job.id) is None, "it runs already"
    moved = await jobs.progress(job.id, phase="train", step=4, steps=10, loss=0.5, seconds_left=3.0)
    assert moved is not None and (moved.step, moved.loss, moved.seconds_left) == (4, 0.5, 3.0)
    done = await jobs.finish(job.id)
    assert done is not None and done.state is JobState.done and done.finished_at
    assert (done.channel_id, done.message_id, done.seconds_left) == (80, 90, None)


async def test_nothing_changes_the_end_of_a_job(jobs: Jobs, make: Make) -> None:
    job = await make()
    assert await jobs.cancel(job.id)
    assert not await jobs.cancel(job.id)
    assert await jobs.start(job.id) is None
    assert await jobs.fail(job.id, "internal", "late") is None
    assert await jobs.finish(job.id) is None
    assert await jobs.requeue(job.id, lost=True) is None
    cancelled = await jobs.get(job.id)
    assert cancelled is not None
    assert (cancelled.state, cancelled.error_code, cancelled.attempts) == (JobState.cancelled, None, 0)


async def test_everyones_first_job_comes_before_anyones_second(jobs: Jobs, make: Make) -> None:
    expected_users = [ANN, BOB, EVE, ANN, BOB, ANN]
    for user in (ANN, ANN, ANN, BOB, BOB, EVE):
        await make(user)
    assert [job.user_id for job in await jobs.queued(JobKind.train)] == expected_users
    assert [(await serve(jobs)).user_id for _ in expected_users] == expected_users


async def test_who_was_served_least_recently_comes_first(jobs: Jobs, make: Make) -> None:
    for user in (ANN, BOB):
        await make(user)
        await serve(jobs)
    for user in (BOB, ANN, EVE):
        await make(user)
    assert [(await serve(jobs)).user_id for _ in range(3)] == [EVE, ANN, BOB]
    assert await jobs.next_fair(JobKind.train) is None


async def test_drawings_and_trainings_have_queues_of_their_own(jobs: Jobs, make: Make) -> None:
    training, drawing = await make(), await make(kind=JobKind.draw)
    assert [job.id for job in await jobs.queued(JobKind.draw)] == [drawing.id]
    assert await jobs.place(training.id) == await jobs.place(drawing.id) == 1


async def test_lanes_are_served_apart(jobs: Jobs, make: Make) -> None:
    here, there = await make(kind=JobKind.draw), await make(kind=JobKind.draw, lane=Lane.endpoint)
    assert [job.id for job in await jobs.queued(JobKind.draw)] == [here.id, there.id]
    for lane, job in ((Lane.gpu, here), (Lane.endpoint, there)):
        assert [waiting.id for waiting in await jobs.queued(JobKind.draw, lane)] == [job.id]
        assert await jobs.place(job.id) == 1
        assert await jobs.next_fair(JobKind.draw, lane, besides=[job.id]) is None
        assert await jobs.next_fair(JobKind.draw, lane, not_of=[job.user_id]) is None


async def test_the_place_in_the_queue_is_the_order_of_service(jobs: Jobs, make: Make) -> None:
    first, second, other = await make(ANN), await make(ANN), await make(BOB)
    assert [await jobs.place(job.id) for job in (first, other, second)] == [1, 2, 3]
    await jobs.start(first.id)
    assert [await jobs.place(job.id) for job in (first, other, second)] == [None, 1, 2]
    assert [job.id for job in await jobs.running(JobKind.train)] == [first.id]
    assert await jobs.place(999) is None


async def test_work_that_a_crash_interrupted_goes_on_before_new_work(jobs: Jobs, make: Make) -> None:
    running, _, _ = await make(ANN), await make(BOB), await make(EVE)
    await jobs.start(running.id)
    (requeued,) = await jobs.requeue_running()
    assert (requeued.id, requeued.state, requeued.attempts) == (running.id, JobState.queued, 1)
    assert await jobs.place(running.id) == 1
    assert await jobs.requeue_running() == []


async def test_only_lost_work_counts_an_attempt(jobs: Jobs, make: Make) -> None:
    job = await make()
    for lost, attempts in ((False, 0), (True, 1), (True, 2)):
        await jobs.start(job.id)
        requeued = await jobs.requeue(job.id, lost=lost)
        assert requeued is not None and requeued.attempts == attempts


async def test_active_counts_what_waits_or_runs(jobs: Jobs, make: Make) -> None:
    for _ in range(3):
        await make(ANN)
    await make(BOB)
    await make(ANN, JobKind.draw)
    await serve(jobs)
    following = await jobs.next_fair(JobKind.train)
    assert following is not None
    await jobs.start(following.id)
    assert [await jobs.active(user, JobKind.train) for user in (ANN, BOB, EVE)] == [
        2,
        0 if following.user_id == EVE else 1,
        0,
    ]


async def test_jobs_of_a_person_come_newest_first(jobs: Jobs, make: Make) -> None:
    made = [(await make(ANN)).id for _ in range(4)]
    await make(BOB)
    assert [job.id for job in await jobs.of_user(ANN, limit=3)] == made[:0:-1]


async def test_an_end_is_unannounced_until_it_is_marked(jobs: Jobs, make: Make) -> None:
    waiting, failed, cancelled = await make(), await make(), await make()
    await jobs.fail(failed.id, "disk_full", "The disk is full.")
    await jobs.cancel(cancelled.id)
    assert [job.id for job in await jobs.unannounced()] == [failed.id, cancelled.id]
    await jobs.mark_announced(failed.id)
    (left,) = await jobs.unannounced()
    assert left.id == cancelled.id
    assert await jobs.unannounced(since=(left.finished_at or 0) + 1) == []
    told = await jobs.get(failed.id)
    assert told is not None and told.announced and told.error == "The disk is full."
    assert (await jobs.get(waiting.id)) == waiting
