import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.services.announcer import Announcer
from data.jobs import Job, JobState
from tests.bot.services.house import WAIT_SECONDS, House, Recorder


class SlowRecorder(Recorder):
    """A face that takes its time while `gate` is not set."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()

    async def job_changed(self, job: Job) -> None:
        self.entered.set()
        await self.gate.wait()
        await super().job_changed(job)


@pytest.fixture
def slow() -> SlowRecorder:
    return SlowRecorder()


@pytest.fixture
async def announcer(house: House, slow: SlowRecorder) -> AsyncIterator[Announcer]:
    announcer = Announcer(house.jobs, house.pictures, slow, first_retry=0)
    await announcer.start()
    yield announcer
    await announcer.stop()


async def progress(house: House, announcer: Announcer, job_id: int, step: int) -> None:
    await house.jobs.progress(job_id, phase="train", step=step, steps=100)
    announcer.changed(job_id)


async def test_changes_that_come_while_the_face_is_busy_are_merged(
    house: House, announcer: Announcer, slow: SlowRecorder
) -> None:
    job = await house.accept()
    await house.jobs.start(job.id)
    await progress(house, announcer, job.id, 1)
    await slow.entered.wait()
    for step in range(2, 50):
        await progress(house, announcer, job.id, step)
    slow.gate.set()
    await house.jobs.finish(job.id)
    announcer.ended(job.id)
    await house.announced(job.id)
    assert len(slow.changes) <= 2
    assert [end.state for end in slow.ends] == [JobState.done]


async def test_a_busy_card_holds_up_no_other(house: House, announcer: Announcer, slow: SlowRecorder) -> None:
    stuck, other = await house.accept(), await house.imagine()
    announcer.changed(stuck.id)
    await slow.entered.wait()
    await house.jobs.cancel(other.id)
    announcer.ended(other.id)
    await house.announced(other.id)
    assert [end.id for end in slow.ends] == [other.id]


async def test_an_end_is_told_until_the_face_takes_it_and_then_never_again(
    house: House, announcer: Announcer, slow: SlowRecorder
) -> None:
    job = await house.imagine()
    await house.jobs.start(job.id)
    path = house.files.pictures(job.id) / "0.png"
    await house.pictures.add(job_id=job.id, idx=0, path=path, prompt="", seed=1, width=64, height=64)
    await house.jobs.finish(job.id)
    slow.failures = 2
    announcer.ended(job.id)
    await house.announced(job.id)
    assert len(slow.ends) == 3
    assert [picture.idx for picture in slow.shown[job.id]] == [0]
    announcer.ended(job.id)
    other = await house.imagine()
    await house.jobs.cancel(other.id)
    announcer.ended(other.id)
    await house.announced(other.id)
    assert [end.id for end in slow.ends] == [job.id] * 3 + [other.id]
    async with asyncio.timeout(WAIT_SECONDS):
        while announcer._ended:  # nothing is remembered of what was told
            await asyncio.sleep(0.01)


async def test_a_change_that_could_not_be_shown_is_no_matter(house: House) -> None:
    class Broken(Recorder):
        async def job_changed(self, job: Job) -> None:
            raise ConnectionError("Discord is down")

    broken = Broken()
    announcer = Announcer(house.jobs, house.pictures, broken)
    await announcer.start()
    job = await house.accept()
    announcer.changed(job.id)
    announcer.changed(12345)
    await house.jobs.cancel(job.id)
    announcer.ended(job.id)
    await house.announced(job.id)
    await announcer.stop()


async def test_an_end_whose_results_are_not_in_place_waits(
    house: House, announcer: Announcer, slow: SlowRecorder
) -> None:
    """A late progress report finds the job done: its files may still be on the move."""
    job, other = await house.imagine(), await house.imagine()
    await house.jobs.start(job.id)
    await house.jobs.finish(job.id)
    announcer.changed(job.id)
    await house.jobs.cancel(other.id)
    announcer.ended(other.id)
    await house.announced(other.id)
    assert [end.id for end in slow.ends] == [other.id]
    announcer.ended(job.id)
    await house.announced(job.id)
