"""Whatever ends the bot says why, and the exit status says whether it was asked to."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest

from bot.__main__ import _command, _parser, main
from bot.app import App, PartEnded
from bot.config import Config
from bot.gpu.local import LocalGpu
from bot.sandbox import world
from tests.bot.face import eventually, text_of
from tests.standin.process import STARTING, bot_process
from tests.standin.server import stand_in

Face = Callable[[App, int], Awaitable[int]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without a `.env`."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("LIKENESS_") or name == "DISCORD_TOKEN"]:
        monkeypatch.delenv(name)
    return tmp_path


def face(monkeypatch: pytest.MonkeyPatch, does: Face) -> None:
    """What the sandbox does in the place of its page."""
    monkeypatch.setattr("bot.sandbox.run", does)


async def for_ever(*_: object) -> int:
    await asyncio.Event().wait()
    return 0


async def breaks_off(_: object) -> None:
    raise RuntimeError("out of ink")


async def returns(*_: object) -> None:
    return


@pytest.mark.parametrize(
    ("part", "does", "said"),
    [
        ("bot.services.announcer.Announcer._run", breaks_off, "the announcer task ended"),
        ("bot.services.handover_runner.HandoverRunner._run", breaks_off, "the handovers task ended"),
        ("bot.services.digest.Digest.run", returns, "the digest task ended"),
        ("bot.janitor.Janitor.run", breaks_off, "the janitor task ended"),
        ("bot.gpu.server.InferenceServer._keep", breaks_off, "the inference-server task ended"),
    ],
)
def test_a_part_that_ends_takes_the_bot_with_it(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    part: str,
    does: Callable[[object], Awaitable[None]],
    said: str,
) -> None:
    face(monkeypatch, for_ever)
    monkeypatch.setattr(part, does)
    assert main(["sandbox"]) == 1
    assert f"Likeness ends: {said}" in caplog.text
    assert ("out of ink" in caplog.text) is (does is breaks_off)


async def test_who_can_hear_the_waiting_trainer_no_more_ends_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(*_: object, **__: object) -> AsyncGenerator[None, None]:
        raise RuntimeError("out of ink")
        yield

    monkeypatch.setattr("bot.gpu.standby.hear", breaks)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    gpu = LocalGpu(tmp_path, standby="mini")
    await gpu.prepare()
    (ended,), _ = await asyncio.wait(gpu.tasks, return_when=asyncio.FIRST_COMPLETED)
    assert "out of ink" in str(ended.exception())
    await gpu.close()


@pytest.mark.parametrize(("asked", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_in_silence(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    asked: signal.Signals,
    status: int,
) -> None:
    async def until_asked(*_: object) -> int:
        os.kill(os.getpid(), asked)
        return await for_ever()

    face(monkeypatch, until_asked)
    # Python leaves SIGINT ignored where the tests themselves were started in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(["sandbox"]) == status
    finally:
        signal.signal(signal.SIGINT, before)
    assert "Likeness ends" not in caplog.text


def test_a_cancellation_that_nobody_asked_for_is_no_good_end(
    here: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def cancelled(*_: object) -> int:
        raise asyncio.CancelledError

    face(monkeypatch, cancelled)
    assert main(["sandbox"]) == 1
    assert "Likeness ends: its work was cancelled from within" in caplog.text


def test_a_defect_ends_it_with_its_traceback(
    here: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> int:
        raise RuntimeError("out of ink")

    face(monkeypatch, broken)
    assert main(["sandbox"]) == 1
    assert "Likeness ends because of an unexpected error" in caplog.text and "out of ink" in caplog.text


@pytest.mark.parametrize(("code", "why"), [(4004, "Copy it again"), (4014, "privileged intents")])
async def test_a_gateway_that_closes_for_good_is_said(tmp_path: Path, code: int, why: str) -> None:
    home = tmp_path / "home"
    async with stand_in() as there, bot_process(there, home) as bot:
        await eventually(lambda: "connected as Likeness" in bot.said(), STARTING)
        await there.gateway.close(code)
        assert await bot.process.wait() == 1
        assert "Traceback" not in bot.said()
        for said in (bot.said(), (home / "logs/bot.log").read_text(encoding="utf-8")):
            assert "Likeness ends: Discord closed the connection for good" in said and why in said


async def test_a_connection_that_ends_by_itself_is_no_good_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.client.LikenessBot.start", returns)
    config = Config(_env_file=None, home=tmp_path, discord_token="x.y.z")
    with pytest.raises(PartEnded, match="the connection to Discord ended by itself"):
        await _command(_parser().parse_args(["run"]), config)


async def test_status_as_the_first_command_is_answered_and_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task that reads what the drawing process says lives on, so it can't belong to who asked first."""
    program, python = tmp_path / "python", sys.executable
    program.write_text(f'#!/bin/sh\nexec "{python}" -m tests.bot.gpu.child "{tmp_path}/faults" "$@"\n')
    program.chmod(0o755)
    (tmp_path / "faults").mkdir()
    app = App(Config(_env_file=None, home=tmp_path / "home"))
    await app.start()
    async with world(app) as there:
        monkeypatch.setattr(sys, "executable", str(program))
        told = await there.visitor.slash(there.studio, "status")
        assert "scripted" in text_of(told.response)
    await app.close()
