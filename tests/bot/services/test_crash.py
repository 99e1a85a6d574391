"""A bot that dies at any moment: its home folder, as it was at each step, is taken up by a new bot."""

import contextlib
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiosqlite import Connection

from bot.services.queue import Dispatcher
from data.database import Database
from data.drafts import Drafts
from data.files import FileStore
from data.jobs import Job, JobState
from inference.requests import DrawEvent, DrawRequest
from tests.bot.services.house import House, Recorder
from tests.fakes import ScriptedGpu
from trainer.events import TrainEvent


class Snapshots:
    """Copies of the home folder, taken wherever the disk changes: what a `kill -9` there would leave."""

    def __init__(self, home: Path, folder: Path) -> None:
        self._home = home
        self._folder = folder
        self.taken: list[Path] = []

    def take(self) -> None:
        copy = self._folder / str(len(self.taken))
        shutil.copytree(self._home, copy)
        self.taken.append(copy)

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any) -> Any:
            self.take()
            result = function(*arguments)
            self.take()
            return result

        return wrapped


class WatchedGpu(ScriptedGpu):
    """Takes a snapshot after each event."""

    def __init__(self, snapshots: Snapshots) -> None:
        super().__init__()
        self._snapshots = snapshots

    async def train(self, job: Path) -> AsyncGenerator[TrainEvent, None]:
        async for event in super().train(job):
            self._snapshots.take()
            yield event

    async def draw(self, request: DrawRequest) -> AsyncGenerator[DrawEvent, None]:
        async for event in super().draw(request):
            self._snapshots.take()
            yield event


@pytest.fixture
def snapshots(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Snapshots:
    snapshots = Snapshots(house.files.home, tmp_path / "snapshots")
    transaction = Database.transaction

    @contextlib.asynccontextmanager
    async def watched(self: Database, within: Connection | None = None) -> AsyncIterator[Connection]:
        async with transaction(self, within) as tx:
            yield tx
        if within is None:
            snapshots.take()

    monkeypatch.setattr(Database, "transaction", watched)
    for name in ("adopt", "remove"):
        monkeypatch.setattr(FileStore, name, snapshots.around(getattr(FileStore, name)))
    return snapshots


async def revive(home: Path) -> tuple[House, Recorder, Dispatcher]:
    files = FileStore(home)
    house, recorder = House(await Database.open(files.database), files), Recorder()
    dispatcher = house.dispatcher(ScriptedGpu(), recorder)
    await dispatcher.start()
    return house, recorder, dispatcher


async def assert_draft_is_whole(house: House) -> None:
    """Either row and photos are there, or neither."""
    draft = await Drafts(house.db).get(1)
    assert [folder.name for folder in house.files.drafts.iterdir()] == (["1"] if draft else [])
    if draft is not None:
        assert all(file.is_file() for file in house.drafting().crop_files(draft))


async def check(home: Path, ended: Callable[[House, Job], Any]) -> bool:
    """Start anew in `home`, wait for the end of job 1 and look at it. False when there is none yet."""
    house, recorder, dispatcher = await revive(home)
    try:
        if await house.jobs.get(1) is None:
            assert list(house.files.jobs.iterdir()) == [], "nothing of an unfinished request is left"
            await assert_draft_is_whole(house)
            return False
        await ended(house, await house.announced(1))
        assert recorder.missing == []
        assert len(recorder.ends) <= 1
    finally:
        await dispatcher.stop()
        await house.db.close()
    return True


async def test_a_training_survives_a_crash_at_every_step(
    house: House, recorder: Recorder, snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = await house.draft()
    drafted = len(snapshots.taken)
    job = await house.training().start(draft.id, draft.user_id)
    dispatcher = house.dispatcher(WatchedGpu(snapshots), recorder)
    await dispatcher.start()
    await house.announced(job.id)
    await dispatcher.stop()
    monkeypatch.undo()

    async def ended(house: House, job: Job) -> None:
        assert job.state is JobState.done
        (model,) = await house.models.of_user(job.user_id, job.guild_id)
        assert model.id == job.model_id and (model.path / "model_index.json").is_file()
        pictures = await house.pictures.of_job(job.id)
        assert len(pictures) == 4 and all(picture.path.is_file() for picture in pictures)
        assert list(house.files.jobs.iterdir()) == [], "no photo is left"
        assert [folder.name for folder in house.files.models.iterdir()] == [str(model.id)]

    asked = [await check(home, ended) for home in snapshots.taken]
    assert asked == sorted(asked), "once asked for, never lost"
    assert drafted > 3 and len(asked) - drafted > 15 and asked[drafted:].count(False) < 5


async def test_a_drawing_survives_a_crash_at_every_step(
    house: House, recorder: Recorder, snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await house.imagine()
    dispatcher = house.dispatcher(WatchedGpu(snapshots), recorder)
    await dispatcher.start()
    await house.announced(job.id)
    await dispatcher.stop()
    monkeypatch.undo()

    async def ended(house: House, job: Job) -> None:
        assert job.state is JobState.done
        pictures = await house.pictures.of_job(job.id)
        assert [picture.idx for picture in pictures] == [0, 1]
        assert all(picture.path.is_file() for picture in pictures)

    assert all([await check(home, ended) for home in snapshots.taken])


async def test_a_cancel_survives_a_crash_at_every_step(
    house: House, recorder: Recorder, snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await house.accept()
    gpu = ScriptedGpu()
    gpu.gate.clear()
    dispatcher = house.dispatcher(gpu, recorder)
    await dispatcher.start()
    await house.until(lambda now: now.phase is not None, job.id)
    before = len(snapshots.taken)
    await dispatcher.cancel(job.id)
    await house.announced(job.id)
    await dispatcher.stop()
    monkeypatch.undo()

    async def ended(house: House, job: Job) -> None:
        assert job.state is JobState.cancelled
        assert list(house.files.jobs.iterdir()) == [], "no photo is left"

    assert all([await check(home, ended) for home in snapshots.taken[before + 1 :]])
    assert len(snapshots.taken) > before + 1
