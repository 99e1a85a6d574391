"""The dispatcher with a scripted GPU: what can't be made to happen with the real one at the right moment."""

import asyncio
import errno
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.gpu.base import Gpu
from bot.services import queue
from bot.services.housekeeping import Housekeeping
from bot.services.queue import Dispatcher
from bot.services.work import MAX_ATTEMPTS, Throttle
from data.jobs import Job, JobState, Origin
from inference.requests import DrawDone, DrawEvent, DrawFailed, DrawRequest
from inference.requests import Picture as DrawnPicture
from tests.bot.services.house import ANN, BOB, GUILD, House, Recorder
from tests.fakes import ScriptedGpu
from trainer.events import Cancelled, Done, Failed, Started, TrainEvent


@asynccontextmanager
async def serving(house: House, gpu: Gpu, listener: Recorder) -> AsyncIterator[Dispatcher]:
    dispatcher = house.dispatcher(gpu, listener)
    await dispatcher.start()
    try:
        yield dispatcher
    finally:
        await dispatcher.stop()


def running(job: Job) -> bool:
    return job.state is JobState.running and job.phase is not None


class FlakyGpu(ScriptedGpu):
    """Ends as told before it works."""

    def __init__(self, *endings: TrainEvent | Exception) -> None:
        super().__init__()
        self.endings = list(endings)
        self.trained: list[int] = []

    async def train(self, job: Path) -> AsyncGenerator[TrainEvent, None]:
        self.trained.append(int(job.name))
        yield Started(steps=1, device="flaky")
        if self.endings:
            ending = self.endings.pop(0)
            if isinstance(ending, Exception):
                raise ending
            yield ending
            return
        async for event in super().train(job):
            yield event


LOST = Failed(code="trainer_lost", message="The training process was ended by SIGKILL.")


async def test_a_training_ends_as_model_and_samples_without_its_photos(
    house: House, recorder: Recorder
) -> None:
    job = await house.accept()
    (house.files.job(job.id) / "trainer.log").write_text("log")
    async with serving(house, ScriptedGpu(), recorder):
        done = await house.announced(job.id)
    assert done.state is JobState.done and done.model_id is not None
    model = await house.models.get(done.model_id)
    assert model is not None and (model.owner_id, model.name, model.job_id, model.photos) == (
        ANN,
        "abraza",
        job.id,
        3,
    )
    assert (model.path / "model_index.json").is_file()
    pictures = recorder.shown[job.id]
    assert [picture.idx for picture in pictures] == [0, 1, 2, 3]
    assert {picture.path.parent for picture in pictures} == {house.files.pictures(job.id)}
    assert recorder.missing == []
    assert not house.files.job(job.id).exists()
    assert (house.files.logs / f"training-{job.id}.log").read_text() == "log"
    assert [(end.id, end.state) for end in recorder.ends] == [(job.id, JobState.done)]
    assert recorder.changes, "progress was shown"


async def test_a_drawing_ends_as_pictures(house: House, recorder: Recorder) -> None:
    async with serving(house, ScriptedGpu(), recorder) as dispatcher:
        job = await house.imagine(count=3)
        dispatcher.wake()
        done = await house.announced(job.id)
    assert done.state is JobState.done
    assert [picture.idx for picture in recorder.shown[job.id]] == [0, 1, 2]
    assert recorder.missing == []
    seeds = [picture.seed for picture in recorder.shown[job.id]]
    assert seeds == [seeds[0], seeds[0] + 1, seeds[0] + 2]


async def test_a_failed_training_says_why_and_keeps_its_photos(house: House, recorder: Recorder) -> None:
    job = await house.accept()
    gpu = ScriptedGpu(train_failure=Failed(code="loss_not_finite", message="The loss is not a number."))
    async with serving(house, gpu, recorder):
        failed = await house.announced(job.id)
    assert (failed.state, failed.error_code) == (JobState.failed, "loss_not_finite")
    assert failed.error == "The loss is not a number."
    assert len(list((house.files.job(job.id) / "photos").iterdir())) == 3
    assert recorder.shown == {}
    assert await house.models.of_user(ANN, job.guild_id) == []


async def test_a_drawing_that_fails_half_way_leaves_no_pictures(house: House, recorder: Recorder) -> None:
    class HalfWay(ScriptedGpu):
        async def draw(self, request: DrawRequest) -> AsyncGenerator[DrawEvent, None]:
            async for event in super().draw(request):
                yield event
                if isinstance(event, DrawnPicture):
                    yield DrawFailed(id=request.id, code="out_of_memory", message="Too little memory.")

    job = await house.imagine()
    async with serving(house, HalfWay(), recorder):
        failed = await house.announced(job.id)
    assert (failed.state, failed.error_code) == (JobState.failed, "out_of_memory")
    assert await house.pictures.of_job(job.id) == [] and recorder.shown == {}
    assert not house.files.pictures(job.id).exists()


@pytest.mark.parametrize("ending", [LOST, Cancelled(step=5)])
async def test_a_training_that_is_lost_goes_on(house: House, recorder: Recorder, ending: TrainEvent) -> None:
    job = await house.accept()
    gpu = FlakyGpu(*[ending] * (MAX_ATTEMPTS - 1))
    async with serving(house, gpu, recorder):
        done = await house.announced(job.id)
    assert (done.state, done.attempts) == (JobState.done, MAX_ATTEMPTS - 1)
    assert gpu.trained == [job.id] * MAX_ATTEMPTS


async def test_a_training_that_is_lost_each_time_fails_and_the_next_is_served(
    house: House, recorder: Recorder
) -> None:
    bad, good = await house.accept(ANN), await house.accept(BOB)
    async with serving(house, FlakyGpu(*[LOST] * MAX_ATTEMPTS), recorder):
        failed, done = await house.announced(bad.id), await house.announced(good.id)
    assert (failed.state, failed.error_code) == (JobState.failed, "trainer_lost")
    assert done.state is JobState.done


async def test_a_drawing_whose_server_died_is_drawn_again_under_another_name(
    house: House, recorder: Recorder
) -> None:
    class DyingOnce(ScriptedGpu):
        async def draw(self, request: DrawRequest) -> AsyncGenerator[DrawEvent, None]:
            self.draw_failure = None if self.drawn else "server_lost"
            async for event in super().draw(request):
                yield event

    job = await house.imagine()
    gpu = DyingOnce()
    async with serving(house, gpu, recorder):
        done = await house.announced(job.id)
    assert (done.state, done.attempts) == (JobState.done, 1)
    first, second = gpu.drawn
    assert first.id != second.id and first.seed == second.seed


@pytest.mark.parametrize(
    ("error", "code"),
    [(OSError(errno.ENOSPC, "No space left on device"), "disk_full"), (RuntimeError("secret"), "internal")],
)
async def test_an_error_of_ours_ends_one_job_not_the_queue(
    house: House, recorder: Recorder, error: Exception, code: str
) -> None:
    first, second = await house.accept(ANN), await house.accept(BOB)
    async with serving(house, FlakyGpu(error), recorder):
        failed, done = await house.announced(first.id), await house.announced(second.id)
    assert (failed.state, failed.error_code, done.state) == (JobState.failed, code, JobState.done)
    assert "secret" not in (failed.error or "")


async def test_the_end_of_a_job_waits_for_a_database_that_can_not_be_written(
    house: House, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail, tries = house.jobs.fail, []

    async def full(*arguments: Any) -> Job | None:
        tries.append(arguments)
        if len(tries) < 3:
            raise sqlite3.OperationalError("database or disk is full")
        return await fail(*arguments)

    monkeypatch.setattr(house.jobs, "fail", full)
    monkeypatch.setattr(queue, "_PAUSE_SECONDS", 0)
    job = await house.accept()
    async with serving(house, FlakyGpu(OSError(errno.ENOSPC, "No space left on device")), recorder):
        failed = await house.announced(job.id)
    assert (failed.error_code, len(tries)) == ("disk_full", 3)


async def test_a_drawing_without_its_model_fails(house: House, recorder: Recorder) -> None:
    model_id = await house.make_model()
    origin = Origin(user_id=ANN, guild_id=GUILD, channel_id=3, locale="en")
    job = await house.imagining().submit("me", **origin, model_id=model_id)
    await house.models.delete(model_id)
    async with serving(house, ScriptedGpu(), recorder):
        failed = await house.announced(job.id)
    assert failed.error_code == "no_such_model"


async def test_cancelling_what_waits_removes_its_photos_and_moves_the_queue(
    house: House, recorder: Recorder
) -> None:
    gpu = ScriptedGpu()
    gpu.gate.clear()
    first, second, third = await house.accept(ANN), await house.accept(BOB), await house.accept(ANN)
    async with serving(house, gpu, recorder) as dispatcher:
        await house.until(running, first.id)
        recorder.changes.clear()
        assert await dispatcher.cancel(second.id)
        assert not await dispatcher.cancel(second.id)
        assert (await house.announced(second.id)).state is JobState.cancelled
        assert not house.files.job(second.id).exists()
        await house.until(lambda _: third.id in {job.id for job in recorder.changes}, third.id)
        gpu.gate.set()
        await house.announced(third.id)
    assert [end.id for end in recorder.ends] == [second.id, first.id, third.id]


async def test_cancelling_what_runs_stops_it_and_serves_the_next(house: House, recorder: Recorder) -> None:
    gpu = ScriptedGpu()
    gpu.gate.clear()
    first, second = await house.accept(ANN), await house.accept(BOB)
    async with serving(house, gpu, recorder) as dispatcher:
        await house.until(running, first.id)
        assert await dispatcher.cancel(first.id)
        assert (await house.job(first.id)).state is JobState.cancelled
        await house.until(running, second.id)
        gpu.gate.set()
        await house.announced(second.id)
        await house.announced(first.id)
    assert not house.files.job(first.id).exists()
    assert sorted(end.id for end in recorder.ends) == [first.id, second.id], "each end is told once"


async def test_a_training_that_is_cancelled_as_it_ends_leaves_no_model(
    house: House, recorder: Recorder
) -> None:
    class TooLate(ScriptedGpu):
        async def train(self, job: Path) -> AsyncGenerator[TrainEvent, None]:
            async for event in super().train(job):
                if isinstance(event, Done):
                    await house.jobs.cancel(int(job.name))
                yield event

    job = await house.accept()
    async with serving(house, TooLate(), recorder):
        assert (await house.announced(job.id)).state is JobState.cancelled
    assert await house.models.of_user(ANN, GUILD) == [] and await house.pictures.of_job(job.id) == []
    assert list(house.files.models.iterdir()) == list(house.files.jobs.iterdir()) == []


async def test_people_are_served_in_turn(house: House, recorder: Recorder) -> None:
    made = [await house.accept(user) for user in (ANN, ANN, BOB)]
    gpu = FlakyGpu()
    async with serving(house, gpu, recorder):
        for job in made:
            await house.announced(job.id)
    assert gpu.trained == [made[0].id, made[2].id, made[1].id]


async def test_a_device_that_draws_several_at_once_has_them_in_hand_and_room_for_others(
    house: House, recorder: Recorder
) -> None:
    gpu = ScriptedGpu()
    gpu.gate.clear()
    anns = [await house.imagine(user=ANN) for _ in range(3)]
    async with serving(house, gpu, recorder) as dispatcher:
        await house.until(running, anns[0].id)
        gpu.batch = 4  # its first line comes while the first drawing already waits for it
        dispatcher.wake()
        await house.until(running, anns[1].id)
        bobs = [await house.imagine(user=BOB) for _ in range(3)]
        dispatcher.wake()
        for job in bobs[:2]:
            await house.until(running, job.id)
        assert [len(gpu.drawn), (await house.job(anns[2].id)).state] == [4, JobState.queued]
        gpu.gate.set()
        for job in (*anns, *bobs):
            assert (await house.announced(job.id)).state is JobState.done


async def test_a_drawing_that_may_have_crashed_the_device_is_drawn_alone(
    house: House, recorder: Recorder
) -> None:
    class Dying(ScriptedGpu):
        """Dies of Ann's drawing, and then all that it has in hand is lost."""

        batch, deaths = 4, 0

        async def draw(self, request: DrawRequest) -> AsyncGenerator[DrawEvent, None]:
            born_after = self.deaths
            self.drawn.append(request)
            if len(self.drawn) == 2:
                self.gate.set()
            await self.gate.wait()
            if request.prompt == "poison":
                await asyncio.sleep(0.05)  # in which whatever is sent along arrives
                self.deaths += 1
            else:
                await asyncio.sleep(0.1)
            if self.deaths > born_after:
                yield DrawFailed(id=request.id, code="server_lost", message="It died.")
            else:
                yield DrawDone(id=request.id, seconds=1)

    gpu = Dying()
    gpu.gate.clear()
    poison, good = await house.imagine("poison", ANN), await house.imagine("a cat", BOB)
    async with serving(house, gpu, recorder):
        failed, done = await house.announced(poison.id), await house.announced(good.id)
    assert (failed.error_code, failed.attempts) == ("server_lost", MAX_ATTEMPTS - 1)
    assert (done.state, done.attempts) == (JobState.done, 1)


async def test_a_stop_puts_running_work_back_without_blame(house: House, recorder: Recorder) -> None:
    gpu = ScriptedGpu()
    gpu.gate.clear()
    training, drawing = await house.accept(), await house.imagine()
    async with serving(house, gpu, recorder):
        await house.until(running, training.id)
        await house.until(running, drawing.id)
    for job in (training, drawing):
        stopped = await house.job(job.id)
        assert (stopped.state, stopped.attempts) == (JobState.queued, 0)
    async with serving(house, ScriptedGpu(), recorder):
        assert (await house.announced(training.id)).state is JobState.done
        assert (await house.announced(drawing.id)).state is JobState.done


async def test_a_job_that_took_the_bot_down_each_time_is_given_up(house: House, recorder: Recorder) -> None:
    job = await house.accept()
    for _ in range(MAX_ATTEMPTS - 1):
        await house.jobs.start(job.id)
        await house.jobs.requeue(job.id, lost=True)
    await house.jobs.start(job.id)
    async with serving(house, ScriptedGpu(), recorder):
        failed = await house.announced(job.id)
    assert (failed.state, failed.error_code) == (JobState.failed, "trainer_lost")


async def test_results_that_could_not_be_moved_are_moved_at_the_next_start(
    house: House, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Housekeeping, job: Job) -> None:
        raise OSError(errno.EIO, "Input/output error")

    job = await house.accept()
    with monkeypatch.context() as patch:
        patch.setattr(Housekeeping, "settle", broken)
        async with serving(house, ScriptedGpu(), recorder):
            await house.until(lambda now: now.state is JobState.done, job.id)
    recorder.missing.clear()
    async with serving(house, ScriptedGpu(), recorder):
        done = await house.announced(job.id)
    model = await house.models.get(done.model_id or 0)
    assert model is not None and (model.path / "model_index.json").is_file()
    assert all(picture.path.is_file() for picture in await house.pictures.of_job(job.id))
    assert not house.files.job(job.id).exists()


async def test_what_the_face_could_not_take_is_told_after_a_restart(house: House) -> None:
    job = await house.accept()
    broken, works = Recorder(failures=1), Recorder()
    async with serving(house, ScriptedGpu(), broken):
        await house.until(lambda now: broken.failures == 0, job.id)
    assert not (await house.job(job.id)).announced
    async with serving(house, ScriptedGpu(), works):
        await house.announced(job.id)
    assert len(works.shown[job.id]) == 4


async def test_a_drawing_that_breaks_off_without_a_word_is_tried_again(
    house: House, recorder: Recorder
) -> None:
    class Silent(ScriptedGpu):
        async def draw(self, request: DrawRequest) -> AsyncGenerator[DrawEvent, None]:
            if self.drawn:
                yield DrawFailed(id=request.id, code="internal", message="Heard.")
            self.drawn.append(request)

    job = await house.imagine()
    async with serving(house, Silent(), recorder):
        failed = await house.announced(job.id)
    assert (failed.error, failed.attempts) == ("Heard.", 1)


def test_reports_are_thinned_by_time_but_a_new_phase_shows_at_once() -> None:
    now = 100.0
    throttle = Throttle(0.5, lambda: now)
    assert [throttle.due("load"), throttle.due("load"), throttle.due("train")] == [True, False, True]
    now += 0.4
    assert not throttle.due("train")
    now += 0.2
    assert [throttle.due("train"), throttle.due("train")] == [True, False]
