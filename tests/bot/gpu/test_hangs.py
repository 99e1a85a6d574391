"""Children that hang: they are noticed, ended and replaced. The processes are real, their words scripted."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from bot.gpu.hearing import Patience
from bot.gpu.local import LocalGpu
from data.database import Database
from data.files import FileStore
from data.jobs import JobState
from inference.requests import DrawDone, DrawEvent, DrawFailed, DrawProgress, DrawRequest
from tests.bot.services.house import House, Recorder, serving
from trainer.events import Failed, Progress, Started, TrainEvent

PYTHON = sys.executable
PATIENCE = Patience(silence=1.5, beats=100)

Misbehave = Callable[..., None]


@pytest.fixture
def misbehave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Misbehave:
    """Let each child that is started be the scripted one, the first of them with a fault."""
    program = tmp_path / "python"
    monkeypatch.setattr(sys, "executable", str(program))
    faults = tmp_path / "faults"
    faults.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{PYTHON}" -m tests.bot.gpu.child "{faults}" "$@"\n')
    program.chmod(0o755)

    def choose(*chosen: str) -> None:
        for number, fault in enumerate(chosen):
            (faults / f"{number}-{fault}").touch()

    return choose


@pytest.fixture
async def gpu(tmp_path: Path, misbehave: Misbehave) -> AsyncIterator[LocalGpu]:
    gpu = LocalGpu(tmp_path, grace=2, patience=PATIENCE)
    yield gpu
    await gpu.close()
    assert children() == []


def children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if {"serve", "trainer"} & {*one.cmdline()}]


def request(out: Path, name: str = "one") -> DrawRequest:
    return DrawRequest(id=name, model="mini", prompt="a cat", seed=1, count=1, out=str(out))


async def draw(gpu: LocalGpu, out: Path, name: str = "one") -> list[DrawEvent]:
    async with aclosing(gpu.draw(request(out, name))) as events:
        return [event async for event in events]


async def train(gpu: LocalGpu, job: Path) -> list[TrainEvent]:
    async with aclosing(gpu.train(job)) as events:
        return [event async for event in events]


@pytest.mark.parametrize("fault", ["silent", "idle", "mute"])
async def test_a_drawing_process_that_hangs_is_replaced(
    gpu: LocalGpu, tmp_path: Path, misbehave: Misbehave, fault: str
) -> None:
    misbehave(fault)
    *_, lost = await draw(gpu, tmp_path)
    assert isinstance(lost, DrawFailed) and lost.code == "server_lost", lost
    assert isinstance((await draw(gpu, tmp_path, "two"))[-1], DrawDone)


async def test_a_hanging_drawing_can_be_cancelled_and_holds_up_nobody_for_ever(
    gpu: LocalGpu, tmp_path: Path, misbehave: Misbehave
) -> None:
    misbehave("stopped")
    async with aclosing(gpu.draw(request(tmp_path))) as events:
        async for event in events:
            if isinstance(event, DrawProgress):
                break
    assert isinstance((await draw(gpu, tmp_path, "two"))[-1], DrawFailed)
    assert isinstance((await draw(gpu, tmp_path, "three"))[-1], DrawDone)


@pytest.mark.parametrize("fault", ["long", "ready"])
async def test_odd_words_harm_nothing_and_a_death_after_them_is_noticed(
    gpu: LocalGpu, tmp_path: Path, misbehave: Misbehave, fault: str
) -> None:
    misbehave(fault)
    assert isinstance((await draw(gpu, tmp_path))[-1], DrawDone)
    (server,) = (child for child in children() if "serve" in child.cmdline())
    async with aclosing(gpu.draw(request(tmp_path, "wait"))) as events:
        async for event in events:
            if isinstance(event, DrawProgress):
                server.kill()
    assert isinstance(event, DrawFailed) and "SIGKILL" in event.message
    assert isinstance((await draw(gpu, tmp_path, "two"))[-1], DrawDone)


async def test_a_job_whose_drawing_process_hangs_goes_on(
    gpu: LocalGpu, tmp_path: Path, misbehave: Misbehave
) -> None:
    misbehave("stopped")
    files = FileStore(tmp_path / "home")
    house = House(await Database.open(files.database), files)
    job = await house.imagine()
    async with serving(house, gpu, Recorder()):
        done = await house.announced(job.id)
    await house.db.close()
    assert (done.state, done.attempts) == (JobState.done, 1)


@pytest.mark.parametrize("fault", ["stopped", "idle"])
async def test_a_trainer_that_hangs_is_lost_and_the_next_goes_on(
    gpu: LocalGpu, tmp_path: Path, misbehave: Misbehave, fault: str
) -> None:
    misbehave(fault)
    started, *_, lost = await train(gpu, tmp_path)
    assert isinstance(started, Started)
    assert isinstance(lost, Failed) and lost.code == "trainer_lost"
    assert any(isinstance(event, Progress) for event in await train(gpu, tmp_path))


async def test_a_trainer_that_hangs_is_killed_when_nobody_reads_it_any_more(
    tmp_path: Path, misbehave: Misbehave
) -> None:
    misbehave("stopped")
    gpu = LocalGpu(tmp_path, grace=0.5)
    async with aclosing(gpu.train(tmp_path)) as events:
        async for event in events:
            if isinstance(event, Started):
                break
    assert children() == []
    await gpu.close()


@pytest.mark.usefixtures("misbehave")
async def test_nobody_is_left_by_a_close_that_comes_while_processes_are_being_started(tmp_path: Path) -> None:
    for turns in range(0, 12, 2):
        gpu = LocalGpu(tmp_path, standby="mini", patience=PATIENCE)
        asking = [asyncio.ensure_future(one) for one in (gpu.prepare(), gpu.prepare())]
        asking.append(asyncio.ensure_future(draw(gpu, tmp_path)))
        for _ in range(turns):
            await asyncio.sleep(0)
        await gpu.close()
        await asyncio.wait(asking)
        assert children() == []


@pytest.mark.usefixtures("misbehave")
async def test_a_trainer_that_dies_while_it_waits_is_not_given_a_job(tmp_path: Path) -> None:
    gpu = LocalGpu(tmp_path, standby="mini", patience=PATIENCE)
    await gpu.prepare()
    (waiting,) = children()
    waiting.kill()
    assert gpu._standby is not None and gpu._standby._listener is not None
    await asyncio.wait([gpu._standby._listener])
    assert any(isinstance(event, Progress) for event in await train(gpu, tmp_path))
    await gpu.close()


async def test_a_trainer_that_hangs_while_it_waits_is_not_given_a_job(
    tmp_path: Path, misbehave: Misbehave
) -> None:
    misbehave("mute")
    gpu = LocalGpu(tmp_path, grace=2, standby="mini", patience=PATIENCE)
    await gpu.prepare()
    assert gpu._standby is not None and gpu._standby._listener is not None
    await asyncio.wait([gpu._standby._listener])
    assert children() == []
    assert any(isinstance(event, Progress) for event in await train(gpu, tmp_path))
    await gpu.close()
