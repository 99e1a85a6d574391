"""The dispatcher with a scripted GPU: what can't be made to happen with the real one at the right moment."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

from bot.services.progress import Throttle
from data.jobs import JobState
from tests.bot.services.house import ANN, BOB, GUILD, House, Recorder, running, serving
from tests.fakes import FlakyGpu, ScriptedGpu
from trainer.events import Done, TrainEvent


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


async def test_a_stop_that_follows_the_start_at_once_ends(house: House, recorder: Recorder) -> None:
    dispatcher = house.dispatcher(ScriptedGpu(), recorder)
    await dispatcher.start()
    async with asyncio.timeout(30):
        await dispatcher.stop()


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


def test_reports_are_thinned_by_time_but_a_new_phase_shows_at_once() -> None:
    now = 100.0
    throttle = Throttle(0.5, lambda: now)
    assert [throttle.due("load"), throttle.due("load"), throttle.due("train")] == [True, False, True]
    now += 0.4
    assert not throttle.due("train")
    now += 0.2
    assert [throttle.due("train"), throttle.due("train")] == [True, False]
