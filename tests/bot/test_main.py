"""The command line."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from discord.http import Route

from bot.__main__ import _command, _parser, main
from bot.config import Config
from tests.modes import open_to_others
from tests.standin.server import TOKEN, stand_in

ROOT = Path(__file__).parents[2]


async def run(home: Path, *arguments: str) -> asyncio.subprocess.Process:
    # Away from the repository: whoever runs the tests may have a .env there, with a real token.
    environment = {name: value for name, value in os.environ.items() if name != "DISCORD_TOKEN"}
    environment["PYTHONPATH"] = str(ROOT)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment | {"LIKENESS_HOME": str(home)},
        cwd=home,
        umask=0o022,
    )


@pytest.fixture(autouse=True)
def _umask() -> Generator[None, None, None]:
    """`main` sets that of its process, which here is the tests'."""
    before = os.umask(0o022)
    yield
    os.umask(before)


async def test_run_without_a_token_is_the_sandbox_and_stops_cleanly(tmp_path: Path) -> None:
    await asyncio.to_thread(tmp_path.chmod, 0o755)
    process = await run(tmp_path, "run", "--port", "0")
    assert process.stdout is not None
    assert b"Click here: http://127.0.0.1:" in await process.stdout.readline()
    second = await run(tmp_path, "sandbox", "--port", "0")
    _, said = await second.communicate()
    assert second.returncode == 1
    assert b"Another Likeness already works in" in said
    process.send_signal(signal.SIGTERM)
    _, troubles = await process.communicate()
    assert process.returncode == 0
    assert troubles == b""
    assert open_to_others(tmp_path) == []


async def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = await run(tmp_path, "sandbox", "--port", str(port))
        _, said = await process.communicate()
    assert process.returncode == 1
    assert f"Port {port} is taken" in said.decode()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder for a bot without a token, whose `.env` a test may write."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("LIKENESS_") or name == "DISCORD_TOKEN"]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.mark.parametrize("command", ["run", "sandbox", "demo", "doctor"])
def test_a_base_that_is_none_is_said_at_the_start(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr("bot.gpu.local.LocalGpu.device", _no_device)
    (here / ".env").write_text("LIKENESS_BASE=nonsense\n")
    assert main([command]) == 1
    said = "".join(capsys.readouterr())
    assert "'nonsense' is no base model" in said and "sd15" in said
    assert command == "doctor" or said.startswith("LIKENESS_BASE can't be used")


@pytest.mark.parametrize("command", ["run", "doctor", "health", "sync"])
def test_a_setting_that_can_not_be_used_is_said_at_the_start(
    here: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (here / ".env").write_text("LIKENESS_MAX_DRAW_JOBS=many\nDISCORD_TOKEN=very-secret\n")
    assert main([command]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("LIKENESS_MAX_DRAW_JOBS can't be used") and "very-secret" not in line


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_a_damaged_database_is_said_and_left_as_it_is(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr("bot.gpu.local.LocalGpu.device", _no_device)
    home = here / "var/sandbox"
    home.mkdir(parents=True)
    (home / "likeness.sqlite3").write_bytes(b"no database at all" * 100)
    assert main([command]) == 1
    said = "".join(capsys.readouterr())
    assert "likeness.sqlite3 is damaged" in said and "backup" in said
    assert (home / "likeness.sqlite3").read_bytes() == b"no database at all" * 100


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_a_home_that_is_a_file_is_said(here: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    (here / "var").write_text("mine")
    assert main([command]) == 1
    assert "can't be" in "".join(capsys.readouterr())
    assert (here / "var").read_text() == "mine"


def test_a_key_that_is_none_is_found_by_the_doctor(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.gpu.local.LocalGpu.device", _no_device)
    (here / ".env").write_text("LIKENESS_SECRET_KEY=very-secret\n")
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "NO  key" in said and "LIKENESS_SECRET_KEY" in said and "very-secret" not in said


def test_a_new_home_is_its_owners_alone(here: Path) -> None:
    (here / ".env").write_text("LIKENESS_BASE=nonsense\n")
    assert main(["run"]) == 1
    assert open_to_others(here / "var") == []


def test_health_without_a_token_asks_the_sandbox(here: Path) -> None:
    assert main(["health"]) == 1
    (here / "var/sandbox").mkdir(parents=True)
    (here / "var/sandbox/heartbeat").touch()
    assert main(["health"]) == 0


async def _no_device(_: object) -> None:
    raise OSError("The test has no time for it.")


@pytest.mark.parametrize("port", ["abc", "-1", "70000"])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sandbox", f"--port={port}"])
    assert f"{port} is no port" in capsys.readouterr().err


def test_sync_needs_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    assert main(["sync"]) == 1
    assert "DISCORD_TOKEN" in capsys.readouterr().err


async def test_sync_tells_discord_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with stand_in() as there:
        monkeypatch.setattr(Route, "BASE", there.api)
        config = Config(_env_file=None, home=tmp_path, discord_token=TOKEN)
        for _ in range(2):
            assert await _command(_parser().parse_args(["sync"]), config) == 0
        told = [call for call in there.rest.calls if call.method == "PUT"]
    assert len(told) == 2, "whatever it was told before"
    known = there.world.env.backend.commands[None]
    assert ("imagine", 1) in known and f"{len(known)} commands" in capsys.readouterr().out
    assert there.rest.breaches == []
