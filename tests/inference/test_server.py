"""The server's loop in this process, with more asked for than it is told of one by one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from inference.requests import DrawDone, DrawFailed, DrawProgress, DrawRequest, Ready
from inference.server import Server


def test_requests_that_ask_alike_are_drawn_together_when_asked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    asked = os.fdopen(writing, "wb")
    # The first is drawn while the server hears of the others.
    for number, changes in enumerate(({"steps": 4}, {}, {"guidance": 3.0}, {"prompt": "a dog"}, {}), 1):
        values = {"model": "mini", "prompt": "a cat", "steps": 2, "seed": 1, "count": 1, **changes}
        values |= {"id": str(number), "out": str(tmp_path / str(number))}
        asked.write(DrawRequest.model_validate(values).model_dump_json().encode() + b"\n")
    asked.flush()

    said: list[BaseModel] = []

    def emit(event: BaseModel) -> None:
        said.append(event)
        if sum(isinstance(one, DrawDone | DrawFailed) for one in said) == 5:
            asked.close()

    with os.fdopen(reading) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        Server(emit, batch=2).serve()
    assert isinstance(said[0], Ready) and said[0].batch == 2
    steps = [event.id for event in said if isinstance(event, DrawProgress)]
    assert steps == [*"1111", *"2424", *"33", *"55"], "two at once, the others in their turn"
