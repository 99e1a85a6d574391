"""What the tests of drawing at an endpoint share: quick limits, and a drawing from its request to its end."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from inference.endpoint import EndpointClient
from inference.endpoint_calls import Limits, Target
from inference.requests import DrawEvent, DrawRequest
from tests.endpoint_server import TOKEN, Container

QUICK = Limits(connect=2, answer=0.5, body=0.5, hold=0.3, retry=0.1, nowhere=0.1, tick=0.05)
PATIENT = Limits(connect=5, answer=60, body=5, hold=0.2, retry=0.1, nowhere=0.1, tick=0.05)


def request(folder: Path, **values: object) -> DrawRequest:
    asked: dict[str, object] = {
        "id": "1",
        "model": "ann/abraza",
        "prompt": "a cat",
        "count": 2,
        "steps": 10,
        "seed": 7,
        "width": 64,
        "height": 64,
        "out": str(folder),
    }
    return DrawRequest.model_validate(asked | values)


async def drawn(
    client: EndpointClient, container: Container, asked: DrawRequest, wait: float = 5
) -> list[DrawEvent]:
    target = Target(container.url, SecretStr(TOKEN), wait, pooled=False)
    return [event async for event in client.draw(target, asked)]
