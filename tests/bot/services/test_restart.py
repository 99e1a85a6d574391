"""A bot that is killed while real processes train and draw for it."""

import asyncio
import sys

import psutil

from bot.gpu.local import LocalGpu
from bot.services.shots import shots_of
from data.jobs import Job, JobKind, JobState
from tests.bot.services.house import ANN, GUILD, WAIT_SECONDS, House, Recorder
from tests.training import QUICK, make_job
from trainer.events import Plan
from trainer.job import JobFolder


async def create_training(house: House, steps: int) -> Job:
    recipe = QUICK.model_copy(update={"steps": steps})
    folder = JobFolder(make_job(house.files.incoming_job(), recipe))
    job = await house.jobs.create(
        JobKind.train,
        user_id=ANN,
        guild_id=GUILD,
        channel_id=8,
        locale="en",
        payload=folder.spec().model_dump_json(),
        photos=3,
    )
    house.files.adopt(folder.root, house.files.job(job.id))
    return job


async def test_a_bot_that_was_killed_goes_on_where_it_was(house: House, recorder: Recorder) -> None:
    training = await create_training(house, steps=20)
    drawing = await house.imagining().submit(
        "a cat", steps=40, count=2, seed=5, user_id=ANN, guild_id=GUILD, channel_id=8, locale="en"
    )
    bot = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bot.services.serve", str(house.files.home)
    )
    try:
        before = await house.until(lambda job: job.phase == "train" and job.step > 0, training.id)
        orphans = psutil.Process(bot.pid).children(recursive=True)
        assert len(orphans) == 2, "a trainer and a server"
    finally:
        bot.kill()
        await bot.wait()
    assert (await house.job(training.id)).state is JobState.running, "nobody could say otherwise"

    gpu = LocalGpu(house.files.logs)
    # At once: the old trainer may still be busy with its last checkpoint.
    dispatcher = house.dispatcher(gpu, recorder)
    await dispatcher.start()
    done, drawn = await house.announced(training.id), await house.announced(drawing.id)
    await dispatcher.stop()
    await gpu.close()
    _, alive = await asyncio.to_thread(psutil.wait_procs, orphans, timeout=WAIT_SECONDS)
    assert alive == [], "what the killed bot had started left by itself"

    assert (done.state, done.attempts) == (JobState.done, 1)
    steps = [job.step for job in recorder.changes if job.id == training.id and job.phase == "train"]
    assert steps and min(steps) >= before.step, "what was learned was not learned again"
    assert done.model_id is not None
    trained = await house.models.get(done.model_id)
    assert trained is not None and (trained.path / "model_index.json").is_file()
    assert len(recorder.shown[training.id]) == 2
    assert done.plan is not None and Plan.model_validate_json(done.plan).name == "cpu"
    assert [shot.name for shot in shots_of(house.files, done)] == ["strip.png"]
    assert list(house.files.jobs.iterdir()) == [], "no photo is left"
    assert drawn.state is JobState.done
    assert (
        len([picture for picture in await house.pictures.of_job(drawing.id) if picture.path.is_file()]) == 2
    )
    assert recorder.missing == []
