"""The real server process and the real `draw` command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from data.pipes import HEARTBEAT
from inference.requests import (
    CancelRequest,
    DrawDone,
    DrawFailed,
    DrawProgress,
    DrawRequest,
    Picture,
    Ready,
    ServerLine,
    parse_line,
)  # fmt: skip

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "inference"]


class Server:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "serve", "--batch", "1"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def send(self, command: BaseModel) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command.model_dump_json().encode() + b"\n")
        self.process.stdin.flush()

    def lines(self) -> Iterator[ServerLine]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line != HEARTBEAT:
                yield parse_line(line)

    def until_drawing(self, request: str) -> None:
        assert any(isinstance(line, DrawProgress) and line.id == request for line in self.lines())

    def until_end(self, request: str) -> list[ServerLine]:
        seen = []
        for line in self.lines():
            seen.append(line)
            if isinstance(line, DrawDone | DrawFailed) and line.id == request:
                return seen
        raise AssertionError("the server left")


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.process.kill()
    server.process.wait()
    for pipe in (server.process.stdin, server.process.stdout):
        assert pipe is not None
        pipe.close()


def request(number: int, out: Path, **changes: object) -> DrawRequest:
    values = {"id": str(number), "model": "mini", "prompt": "a cat", "steps": 2, "seed": 1, "count": 1}
    return DrawRequest.model_validate({**values, "out": str(out / str(number)), **changes})


def test_requests_are_drawn_in_turn_until_they_are_cancelled_or_the_starter_leaves(
    server: Server, tmp_path: Path
) -> None:
    server.send(request(1, tmp_path))
    server.send(request(2, tmp_path, model="sd99"))
    assert server.process.stdin is not None
    server.process.stdin.write(b"this is no command\n")
    server.send(request(3, tmp_path))
    first = server.until_end("1")
    assert isinstance(first[0], Ready) and first[0].batch == 1
    assert [type(line) for line in first[1:]] == [DrawProgress, DrawProgress, Picture, DrawDone]
    (failed,) = server.until_end("2")
    assert isinstance(failed, DrawFailed)
    assert failed.code == "unknown_base"
    assert isinstance(server.until_end("3")[-1], DrawDone)

    server.send(request(4, tmp_path, steps=200))
    server.until_drawing("4")
    server.send(CancelRequest(id="4"))
    end = server.until_end("4")[-1]
    assert isinstance(end, DrawFailed)
    assert end.code == "cancelled"
    server.send(CancelRequest(id="4"))  # too late: it must not reach a request to come
    server.send(request(4, tmp_path))
    assert isinstance(server.until_end("4")[-1], DrawDone)

    server.send(request(5, tmp_path, steps=200))
    server.until_drawing("5")
    assert server.process.stdin is not None
    server.process.stdin.close()
    assert server.process.wait(timeout=60) == 0


def test_the_draw_command(tmp_path: Path) -> None:
    words = ["draw", "--model", "mini", "--prompt", "photo of a dog", "--count", "2", "--steps", "2"]
    words += ["--guidance", "5", "--seed", "3", "--negative", "cat", "--width", "96", "--height", "96"]
    (tmp_path / "1.png").write_bytes(b"mine")
    done = subprocess.run(
        [*COMMAND, *words, "--out", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(tmp_path / "0.png"), str(tmp_path / "2.png")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.png", "1.png", "2.png"]
    assert (tmp_path / "1.png").read_bytes() == b"mine", "what was there stays"


@pytest.mark.parametrize(
    ("changes", "said"), [(["--steps", "0"], "--steps"), (["--model", "sd99"], "no base model")]
)
def test_the_draw_command_says_what_is_wrong(tmp_path: Path, changes: list[str], said: str) -> None:
    words = ["draw", "--model", "mini", "--prompt", "a cat", *changes, "--out", str(tmp_path / "o")]
    done = subprocess.run([*COMMAND, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["file", "file/o"])
def test_the_draw_command_says_first_where_it_can_not_write(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    words = ["draw", "--model", "mini", "--prompt", "a cat", "--out", str(tmp_path / place)]
    done = subprocess.run([*COMMAND, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "can't be written" in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "file").read_text() == "mine"
