"""A child that speaks as ours do but loads nothing: `child.py FAULTS WORDS`. The first file in the folder
FAULTS, if any, is what it has; it is taken away, so that the next child is well.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

OUT = os.dup(1)
beating = threading.Event()
pause = 0.05


def beat() -> None:
    while beating.is_set():
        os.write(OUT, b'{"type":"heartbeat"}\n')
        time.sleep(pause)


folder, *words = sys.argv[1:]
faults = sorted(Path(folder).iterdir())
fault = faults[0].name.partition("-")[2] if faults else ""
if faults:
    faults[0].unlink()
if fault == "mute":
    os.kill(os.getpid(), signal.SIGSTOP)
beating.set()
threading.Thread(target=beat, daemon=True).start()

# Only now: a busy machine takes its time for these.
from data.pipes import EventWriter  # noqa: E402
from inference.requests import DrawDone, DrawProgress, DrawRequest, Ready, parse_command  # noqa: E402
from trainer.events import Failed, Progress, Started  # noqa: E402

say = EventWriter()
pause = 0.005


def misbehave() -> None:
    match fault:
        case "stopped":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "silent":
            beating.clear()
            time.sleep(3600)
        case "idle":
            time.sleep(3600)
        case "long":
            os.write(OUT, b"x" * 2**21 + b"\n")
        case "ready":
            say(Ready(device="again", memory_gib=1))


def draw(request: DrawRequest) -> None:
    say(DrawProgress(id=request.id, step=1, steps=2))
    misbehave()
    if request.id != "wait":
        say(DrawDone(id=request.id, seconds=1))


def train() -> None:
    say(Started(steps=2, device="scripted"))
    misbehave()
    say(Progress(step=1, steps=2, loss=1, step_seconds=1, seconds_left=1))
    say(Failed(code="scripted", message="Enough."))


if "serve" in words:
    say(Ready(device="scripted", memory_gib=1))
    for line in sys.stdin.buffer:
        command = parse_command(line)
        if isinstance(command, DrawRequest):
            draw(command)
elif "--standby" not in words or sys.stdin.buffer.readline():
    train()
