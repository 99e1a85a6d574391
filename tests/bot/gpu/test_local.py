"""Real trainers and a real inference server, on the bundled mini model."""

import asyncio
import errno
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
from PIL import Image

from bot.gpu.local import LocalGpu
from inference.requests import DrawDone, DrawFailed, DrawProgress, DrawRequest, Picture
from tests.training import QUICK, make_job
from trainer.events import Done, Failed, Progress, Sample, Started, TrainEvent

Event = TypeVar("Event")
SECRET = "very-secret"


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISCORD_TOKEN", "HF_TOKEN"):
        monkeypatch.setenv(name, SECRET)


@pytest.fixture
def job(tmp_path: Path) -> Path:
    return make_job(tmp_path / "job", QUICK)


@pytest.fixture
def long_job(tmp_path: Path) -> Path:
    """A training that does not end by itself while a test looks."""
    return make_job(tmp_path / "job", QUICK.model_copy(update={"steps": 20_000}))


@pytest.fixture
async def gpu(tmp_path: Path) -> AsyncIterator[LocalGpu]:
    gpu = LocalGpu(tmp_path)
    yield gpu
    await gpu.close()
    assert children() == [], "no process is left behind"


def children(words: str = "-m ") -> list[psutil.Process]:
    """Ours are all modules. Pools of an earlier test leave Python's own resource tracker to this process."""
    return [
        child for child in psutil.Process().children(recursive=True) if words in " ".join(child.cmdline())
    ]


def assert_no_secrets(process: psutil.Process) -> None:
    environment = process.environ()
    assert environment["MALLOC_ARENA_MAX"] == "2"
    assert environment["HF_HUB_OFFLINE"] == "1" and SECRET not in environment.values()


async def test_a_trainer_that_finds_no_room_to_begin_is_told_from_one_that_is_lost(
    gpu: LocalGpu, job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*words: str, log: Path) -> Process:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(log))

    monkeypatch.setattr("bot.gpu.local.spawn", full)
    (failed,) = await collect(gpu.train(job))
    assert isinstance(failed, Failed) and failed.code == "disk_full"


async def test_the_drawing_process_is_told_how_much_it_may_keep(tmp_path: Path) -> None:
    gpu = LocalGpu(tmp_path, cache_gib=1.5)
    asking = asyncio.create_task(gpu.device())
    while not (servers := children("-m inference serve")):
        await asyncio.sleep(0.01)
    assert servers[0].environ()["LIKENESS_ENGINE_CACHE_GIB"] == "1.5"
    servers[0].kill()
    with pytest.raises(OSError, match="SIGKILL"):
        await asking
    await gpu.close()


async def collect(events: AsyncGenerator[Event, None]) -> list[Event]:
    async with aclosing(events):
        return [event async for event in events]


async def until(events: AsyncGenerator[Event, None], reached: Callable[[Event], bool]) -> Event:
    """Read up to an event, and leave the stream open."""
    async for event in events:
        if reached(event):
            return event
    raise AssertionError("the stream ended before")


def in_training(event: TrainEvent) -> bool:
    return isinstance(event, Progress)


def request(out: Path, steps: int = 2, count: int = 2, name: str = "one") -> DrawRequest:
    out.mkdir(exist_ok=True)
    return DrawRequest(
        id=name, model="mini", prompt="photo of a person", steps=steps, count=count, seed=5, out=str(out)
    )


async def test_a_training_goes_on_after_its_reader_was_cancelled_and_a_killed_one_is_reported(
    gpu: LocalGpu, long_job: Path
) -> None:
    steps: asyncio.Queue[int] = asyncio.Queue()

    async def read() -> None:
        async with aclosing(gpu.train(long_job)) as events:
            async for event in events:
                if isinstance(event, Progress):
                    steps.put_nowait(event.step)

    task = asyncio.create_task(read())
    seen = await steps.get()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert children() == [], "the trainer is gone when the close returns"
    async with aclosing(gpu.train(long_job)) as events:
        started = await until(events, lambda event: isinstance(event, Started))
        assert isinstance(started, Started) and started.resumed_step >= seen
        await until(events, in_training)
        (trainer,) = children("trainer")
        assert_no_secrets(trainer)
        trainer.send_signal(signal.SIGKILL)
        lost = [event async for event in events][-1]
    assert isinstance(lost, Failed)
    assert lost.code == "trainer_lost" and "SIGKILL" in lost.message


async def test_a_trainer_that_stands_by_trains_the_next_job_and_another_takes_its_place(
    tmp_path: Path, job: Path
) -> None:
    gpu = LocalGpu(tmp_path, standby="mini")
    await gpu.prepare()
    (waiting,) = children("--standby")
    assert_no_secrets(waiting)
    async with aclosing(gpu.train(job)) as events:
        await until(events, in_training)
        assert children("trainer") == [waiting]
        rest = [event async for event in events]
    done = rest[-1]
    assert isinstance(done, Done) and "attention" in (job / "trainer.log").read_text()
    assert (job / "model" / "model_index.json").is_file()
    samples = [event for event in rest if isinstance(event, Sample)]
    assert [sample.index for sample in samples] == [0, 1]
    assert all((job / "samples" / f"{sample.index}.png").is_file() for sample in samples)
    (following,) = children("--standby")
    assert following != waiting
    await gpu.close()
    await gpu.prepare()
    assert children() == []


async def test_a_program_that_can_not_be_started_is_a_lost_trainer_and_a_lost_server(
    gpu: LocalGpu, job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    (lost,) = await collect(gpu.train(job))
    assert isinstance(lost, Failed) and lost.code == "trainer_lost"
    (failed,) = await collect(gpu.draw(request(tmp_path / "out")))
    assert isinstance(failed, DrawFailed) and failed.code == "server_lost"
    with pytest.raises(OSError):
        await gpu.device()


async def test_a_server_that_ends_is_reported_and_another_draws(
    gpu: LocalGpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/bin/false")
        (failed,) = await collect(gpu.draw(request(tmp_path / "out")))
        assert isinstance(failed, DrawFailed) and failed.code == "server_lost"
        assert "exit code 1" in failed.message
        with pytest.raises(ConnectionError, match="exit code 1"):
            await gpu.device()
    assert (await gpu.device()).memory_gib > 0
    await check_one_server_draws_for_everyone(gpu, tmp_path)

    async with aclosing(gpu.draw(request(tmp_path / "out", steps=200, count=16))) as events:
        await until(events, lambda event: isinstance(event, DrawProgress))
        (server,) = children("inference")
        assert_no_secrets(server)
        server.send_signal(signal.SIGKILL)
        last = [event async for event in events][-1]
    assert isinstance(last, DrawFailed) and last.code == "server_lost" and "SIGKILL" in last.message
    following = await collect(gpu.draw(request(tmp_path / "out", name="two")))
    assert isinstance(following[-1], DrawDone)
    async with aclosing(gpu.draw(request(tmp_path / "long", steps=200, count=16, name="three"))) as events:
        await until(events, lambda event: isinstance(event, DrawProgress))
    following = await collect(gpu.draw(request(tmp_path / "short", name="four")))
    assert isinstance(following[-1], DrawDone)
    assert list((tmp_path / "long").iterdir()) == [], "a stream that is closed stops its drawing"


async def check_one_server_draws_for_everyone(gpu: LocalGpu, tmp_path: Path) -> None:
    one, two = await asyncio.gather(
        collect(gpu.draw(request(tmp_path / "one"))),
        collect(gpu.draw(request(tmp_path / "two", count=1, name="two"))),
    )
    assert len(children("inference")) == 1
    for events, name, count in ((one, "one", 2), (two, "two", 1)):
        assert {event.id for event in events} == {name}
        assert isinstance(events[-1], DrawDone)
        pictures = [event for event in events if isinstance(event, Picture)]
        assert [picture.index for picture in pictures] == list(range(count))
        for picture in pictures:
            with Image.open(picture.path) as image:
                assert image.size == (picture.width, picture.height)
