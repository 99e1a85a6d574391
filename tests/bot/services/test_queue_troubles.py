"""Work that fails, breaks off or can't be concluded: no job is lost, and the queue goes on."""

import asyncio
import errno
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bot.services import queue, work
from bot.services.housekeeping import Housekeeping
from bot.services.work import MAX_ATTEMPTS
from data import database
from data.database import Unwritable
from data.jobs import Job, JobKind, JobState, Origin
from inference.requests import DrawDone, DrawEvent, DrawFailed, DrawRequest
from inference.requests import Picture as DrawnPicture
from tests.bot.services.house import ANN, BOB, GUILD, House, Recorder, running, serving
from tests.fakes import FlakyGpu, ScriptedGpu
from trainer.events import Cancelled, Checkpoint, Failed, PhaseProgress, TrainEvent

FULL = OSError(errno.ENOSPC, "No space left on device")
LOST = Failed(code="trainer_lost", message="The training process was ended by SIGKILL.")


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


async def test_an_error_of_ours_ends_one_job_not_the_queue(house: House, recorder: Recorder) -> None:
    first, second = await house.accept(ANN), await house.accept(BOB)
    async with serving(house, FlakyGpu(RuntimeError("secret")), recorder):
        failed, done = await house.announced(first.id), await house.announced(second.id)
    assert (failed.state, failed.error_code, done.state) == (JobState.failed, "internal", JobState.done)
    assert "secret" not in (failed.error or "")


@pytest.mark.parametrize("full", [FULL, Failed(code="disk_full", message="The disk is full.")])
async def test_a_disk_that_is_full_for_a_moment_costs_no_job_and_one_that_stays_full_is_told(
    house: House, recorder: Recorder, full: TrainEvent | Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "ROOM_SECONDS", 0)
    for times, end in ((1, JobState.done), (MAX_ATTEMPTS, JobState.failed)):
        job = await house.accept()
        async with serving(house, FlakyGpu(*[full] * times), recorder):
            ended = await house.announced(job.id)
        assert (ended.state, ended.error_code) == (end, None if times == 1 else "disk_full")


async def test_a_training_that_gets_further_each_time_is_never_given_up(
    house: House, recorder: Recorder
) -> None:
    class Tired(ScriptedGpu):
        """Dies after each class image, and then after each checkpoint."""

        kept: ClassVar = [
            *(PhaseProgress(phase="class_images", done=done, total=5) for done in range(1, 6)),
            *(Checkpoint(step=step) for step in range(1, MAX_ATTEMPTS + 1)),
        ]
        lives = 0

        async def train(self, job: Path) -> AsyncGenerator[TrainEvent, None]:
            for event in self.kept[: self.lives + 1]:
                yield event
            self.lives += 1
            if self.lives < len(self.kept):
                yield LOST
                return
            async for event in super().train(job):
                yield event

    job = await house.accept()
    async with serving(house, Tired(), recorder):
        done = await house.announced(job.id)
    assert (done.state, done.attempts) == (JobState.done, 5 + MAX_ATTEMPTS - 1)


@pytest.mark.parametrize("kind", JobKind)
async def test_a_database_that_another_program_holds_costs_no_job_and_no_picture(
    house: House,
    recorder: Recorder,
    kind: JobKind,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await house.db.connection.execute("PRAGMA busy_timeout = 10")
    monkeypatch.setattr(database, "_RETRY_SECONDS", 0.01)
    gpu = ScriptedGpu()
    gpu.gate.clear()
    job = await (house.accept() if kind is JobKind.train else house.imagine())
    async with serving(house, gpu, recorder):
        await house.until(running, job.id)
        with closing(sqlite3.connect(house.files.database, check_same_thread=False)) as other:
            await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
            gpu.gate.set()
            while "can't be written now" not in caplog.text:
                await asyncio.sleep(0.01)
            assert (await house.job(job.id)).state is JobState.running
        done = await house.announced(job.id)
    assert (done.state, done.attempts) == (JobState.done, 0)
    assert len(await house.pictures.of_job(job.id)) == (4 if kind is JobKind.train else 2)
    assert caplog.text.count("can't be written now") == caplog.text.count("can be written again") == 1


async def test_a_database_that_another_program_holds_costs_no_draft(house: House) -> None:
    draft = await house.drafted()
    await house.db.connection.execute("PRAGMA busy_timeout = 10")
    with closing(sqlite3.connect(house.files.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unwritable):
            await house.training().start(draft.id, ANN)
    assert list(house.files.jobs.iterdir()) == []
    job = await house.training().start(draft.id, ANN)
    assert len(list((house.files.job(job.id) / "photos").iterdir())) == 3


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
    async with serving(house, FlakyGpu(RuntimeError()), recorder):
        failed = await house.announced(job.id)
    assert (failed.error_code, len(tries)) == ("internal", 3)


async def test_a_drawing_without_its_model_fails(house: House, recorder: Recorder) -> None:
    model_id = await house.make_model()
    origin = Origin(user_id=ANN, guild_id=GUILD, channel_id=3, locale="en")
    job = await house.imagining().submit("me", **origin, model_id=model_id)
    await house.models.delete(model_id)
    async with serving(house, ScriptedGpu(), recorder):
        failed = await house.announced(job.id)
    assert failed.error_code == "no_such_model"


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


async def test_a_job_that_took_the_bot_down_each_time_is_given_up(house: House, recorder: Recorder) -> None:
    job = await house.accept()
    for _ in range(MAX_ATTEMPTS - 1):
        await house.jobs.start(job.id)
        await house.jobs.requeue(job.id, lost=True)
    await house.jobs.start(job.id)
    async with serving(house, ScriptedGpu(), recorder):
        failed = await house.announced(job.id)
    assert (failed.state, failed.error_code) == (JobState.failed, "trainer_lost")


async def test_a_job_that_advanced_before_the_bot_went_down_goes_on(house: House, recorder: Recorder) -> None:
    job = await house.accept()
    for step in range(1, 2 * MAX_ATTEMPTS):
        await house.jobs.start(job.id)
        await house.jobs.gained(job.id, step)
        await house.jobs.requeue_running()
    async with serving(house, ScriptedGpu(), recorder):
        assert (await house.announced(job.id)).state is JobState.done


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


async def test_a_job_that_this_version_can_not_read_holds_up_nobody(house: House, recorder: Recorder) -> None:
    origin = Origin(user_id=ANN, guild_id=GUILD, channel_id=3, locale="en")
    strange = await house.jobs.create(JobKind.draw, payload='{"wish": "of another version"}', **origin)
    after = await house.imagine(user=BOB)
    async with serving(house, ScriptedGpu(), recorder):
        assert (await house.announced(after.id)).state is JobState.done
        assert (await house.announced(strange.id)).error_code == "internal"
