"""The way to an endpoint, against a real server that behaves like Hugging Face's container."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image
from pydantic import SecretStr

from inference.endpoint import EndpointClient, Limits, Target
from inference.endpoint_health import Breaker
from inference.endpoint_hosts import Hosts, is_public
from inference.errors import EndpointError
from inference.requests import (
    DrawDone,
    DrawEvent,
    DrawFailed,
    DrawProgress,
    DrawRequest,
    DrawWaiting,
    Picture,
)
from tests.endpoint_server import TOKEN, Container

QUICK = Limits(connect=2, answer=0.5, body=0.5, hold=0.3, retry=0.1, tick=0.05)


@pytest.fixture
async def container() -> AsyncIterator[Container]:
    async with Container().served() as container:
        yield container


@pytest.fixture
async def client() -> AsyncIterator[EndpointClient]:
    client = EndpointClient(Hosts(["127.0.0.1"]), QUICK)
    yield client
    await client.close()


def request(folder: Path, **values: object) -> DrawRequest:
    asked: dict[str, object] = {
        "id": "1",
        "model": "endpoint",
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
    target = Target(container.url, SecretStr(TOKEN), wait)
    return [event async for event in client.draw(target, asked)]


async def test_pictures_come_with_what_was_asked_and_carry_it(
    client: EndpointClient, container: Container, tmp_path: Path
) -> None:
    events = await drawn(client, container, request(tmp_path, count=3, negative="dogs", guidance=5.5))
    assert isinstance(events[-1], DrawDone)
    pictures = [event for event in events if isinstance(event, Picture)]
    assert sorted((picture.index, picture.seed) for picture in pictures) == [(0, 7), (1, 8), (2, 9)]
    assert container.calls[0] == {
        "inputs": "a cat",
        "parameters": {
            "negative_prompt": "dogs",
            "num_inference_steps": 10,
            "guidance_scale": 5.5,
            "seed": 7,
            "width": 64,
            "height": 64,
        },
    }
    with Image.open(tmp_path / "2.png") as image:
        assert image.size == (64, 64) and image.getpixel((0, 0)) == (9, 0, 128)
        assert "Negative prompt: dogs" in image.info["parameters"] and "Seed: 9" in image.info["parameters"]
    assert [event.step for event in events if isinstance(event, DrawProgress)][-1] == 30


async def test_other_shapes_are_cut_from_squares_and_no_size_takes_the_models_own(
    client: EndpointClient, container: Container, tmp_path: Path
) -> None:
    await drawn(client, container, request(tmp_path / "a", count=1, width=64, height=96))
    await drawn(client, container, request(tmp_path / "b", count=1, width=None, height=None))
    first, second = (call["parameters"] for call in container.calls)
    assert isinstance(first, dict) and (first["width"], first["height"]) == (96, 96)
    assert isinstance(second, dict) and "width" not in second
    for folder, size in (("a", (64, 96)), ("b", (64, 64))):
        with Image.open(tmp_path / folder / "0.png") as image:
            assert image.size == size


@pytest.mark.parametrize("word", ["jpeg", "base64"])
async def test_older_containers_answer_otherwise(
    client: EndpointClient, container: Container, tmp_path: Path, word: str
) -> None:
    container.faults = [word]
    events = await drawn(client, container, request(tmp_path, count=1))
    assert isinstance(events[-1], DrawDone)


async def test_a_cold_start_is_waited_for_in_sight(
    client: EndpointClient, container: Container, tmp_path: Path
) -> None:
    container.cold, container.faults = 1.2, ["loading", "busy", "503"]
    client.limits = Limits(connect=2, answer=5, body=1, hold=0.2, retry=0.1, tick=0.05)
    events = await drawn(client, container, request(tmp_path), wait=60)
    waits = [event for event in events if isinstance(event, DrawWaiting)]
    assert isinstance(events[-1], DrawDone)
    assert {wait.reason for wait in waits} == {"starting", "busy"}
    assert waits[-1].seconds >= 1.2 and [wait.seconds for wait in waits] == sorted(
        wait.seconds for wait in waits
    )
    assert set(container.paid.values()) == {1}


async def test_a_start_that_takes_too_long_is_one_failure(
    client: EndpointClient, container: Container, tmp_path: Path
) -> None:
    container.cold = 60
    events = await drawn(client, container, request(tmp_path), wait=0.4)
    assert isinstance(events[-1], DrawFailed) and events[-1].code == "endpoint_cold"
    assert container.paid.total() == 0


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("400", "endpoint_bad_request"),
        ("memory", "endpoint_out_of_memory"),
        ("paused", "endpoint_paused"),
        ("401", "endpoint_bad_token"),
        ("402", "endpoint_payment"),
        ("403", "endpoint_forbidden"),
        ("404", "endpoint_not_found"),
        ("413", "endpoint_too_long"),
        ("500", "endpoint_error"),
        ("504", "endpoint_gateway"),
        ("redirect", "endpoint_redirected"),
        ("html", "endpoint_not_picture"),
        ("broken", "endpoint_broken_picture"),
        ("small", "endpoint_wrong_size"),
        ("huge", "endpoint_too_large"),
        ("cut", "endpoint_cut"),
        ("slow", "endpoint_slow"),
        ("hang", "endpoint_timeout"),
    ],
)
async def test_each_failure_has_its_code_and_is_not_tried_again(
    client: EndpointClient, container: Container, tmp_path: Path, word: str, code: str
) -> None:
    container.faults = [word]
    events = await drawn(client, container, request(tmp_path))
    failed = events[-1]
    assert isinstance(failed, DrawFailed) and failed.code == code
    assert TOKEN not in failed.message
    assert len(container.calls) == 1 and container.elsewhere == 0
    assert not any(isinstance(event, Picture) for event in events)


async def test_a_502_after_a_picture_may_have_cost_one_and_is_not_tried_again(
    client: EndpointClient, container: Container, tmp_path: Path
) -> None:
    container.faults = ["502", "well", "died"]
    client.limits = Limits(connect=2, answer=5, body=1, hold=0.2, retry=0.1, tick=0.05)
    events = await drawn(client, container, request(tmp_path), wait=60)
    assert isinstance(events[-1], DrawFailed) and events[-1].code == "endpoint_gateway"
    assert sorted(container.paid.items()) == [(("a cat", 7), 1), (("a cat", 8), 1)]
    container.faults = []
    again = await drawn(client, container, request(tmp_path))
    assert isinstance(again[-1], DrawDone) and container.paid["a cat", 7] == 1, (
        "what lies there is not redrawn"
    )


async def test_a_server_that_is_not_there_is_said(tmp_path: Path, client: EndpointClient) -> None:
    async with Container().served() as gone:
        pass
    events = await drawn(client, gone, request(tmp_path), wait=30)
    assert isinstance(events[-1], DrawFailed) and events[-1].code == "endpoint_unreachable"


async def test_a_cancelled_drawing_breaks_off_its_calls(
    client: EndpointClient, container: Container, tmp_path: Path
) -> None:
    container.delay = 20
    stream = client.draw(Target(container.url, SecretStr(TOKEN), 5), request(tmp_path))
    await anext(stream)
    while not container.running:
        await asyncio.sleep(0.01)
    await stream.aclose()
    assert container.paid.total() == 0 and not (tmp_path / "0.png").exists()


async def test_an_endpoint_that_keeps_failing_is_left_alone(
    client: EndpointClient, container: Container, tmp_path: Path
) -> None:
    container.faults = ["500"] * 10
    codes = []
    for _ in range(4):
        end = (await drawn(client, container, request(tmp_path)))[-1]
        assert isinstance(end, DrawFailed)
        codes.append(end.code)
    assert codes == ["endpoint_error"] * 3 + ["endpoint_resting"] and len(container.calls) == 3


def test_after_its_rest_one_call_finds_out() -> None:
    now = 0.0
    breaker = Breaker(failures=2, rest=10, clock=lambda: now)
    for _ in range(2):
        assert breaker.enter()
        breaker.failed()
    assert breaker.resting and not breaker.enter()
    now = 11
    assert (breaker.enter(), breaker.enter()) == (True, False)
    breaker.worked()
    assert breaker.enter() and breaker.enter()


async def test_hundreds_of_calls_are_bounded(
    client: EndpointClient, container: Container, tmp_path: Path
) -> None:
    container.delay = 0.002
    client.limits = Limits(connect=5, answer=60, body=5)
    ends = await asyncio.gather(
        *(drawn(client, container, request(tmp_path / str(n), seed=10 * n)) for n in range(100))
    )
    assert all(isinstance(events[-1], DrawDone) for events in ends)
    assert container.paid.total() == 200 and container.most <= 4


async def test_the_check_finds_a_wrong_token_and_a_sleeping_endpoint(
    client: EndpointClient, container: Container
) -> None:
    assert await client.check(Target(container.url, SecretStr(TOKEN), 5))
    with pytest.raises(EndpointError) as wrong:
        await client.check(Target(container.url, SecretStr("hf_wrong"), 5))
    assert wrong.value.code == "endpoint_bad_token"
    container.cold, container._up_at = 5, None
    assert not await client.check(Target(container.url, SecretStr(TOKEN), 5))


@pytest.mark.parametrize(
    "url",
    [
        "http://x.us-east-1.aws.endpoints.huggingface.cloud",
        "https://endpoints.huggingface.cloud.evil.com",
        "https://evil-endpoints.huggingface.cloud",
        "https://127.0.0.1",
        "https://[::1]",
        "http://169.254.169.254/latest",
        "https://huggingface.co.evil.com",
        "https://user:secret@x.us-east-1.aws.endpoints.huggingface.cloud",
        "https://x.us-east-1.aws.endpoints.huggingface.cloud:8443",
        "https://x.us-east-1.aws.endpoints.huggingface.cloud/?to=elsewhere",
        "file:///etc/passwd",
        "http://listed.example:81",
        "https://x.endpoints.huggingface.cloud:port",
        "",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(EndpointError) as refused:
        Hosts(["listed.example:80"]).check(url)
    assert refused.value.code == "endpoint_address"


def test_hugging_face_and_listed_hosts_are_taken() -> None:
    hosts = Hosts(["listed.example:81", "home.example"])
    for url in (
        "https://x.us-east-1.aws.endpoints.huggingface.cloud",
        "https://router.huggingface.co/hf-inference/models/ann/abraza",
        "http://listed.example:81",
        "http://home.example:1234/path",
    ):
        assert str(hosts.check(url)).rstrip("/") == url


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
     "0.0.0.0", "224.0.0.1", "100.64.0.1", "2002:7f00:1::"],
)  # fmt: skip
def test_addresses_inside_are_no_targets(address: str) -> None:
    assert not is_public(address)
    assert is_public("1.1.1.1") and is_public("2606:4700::1111")


async def test_a_name_that_leads_inside_is_not_connected_to(
    container: Container, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """DNS says one thing when it is checked and another when it is connected: only one answer counts."""
    from aiohttp.resolver import ThreadedResolver

    port = int(container.url.rpartition(":")[2])

    async def inside(self: object, host: str, *_: object) -> list[dict[str, object]]:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 6, "flags": 4}]

    monkeypatch.setattr(ThreadedResolver, "resolve", inside)
    client = EndpointClient(Hosts(), QUICK)
    target = Target("https://x.us-east-1.aws.endpoints.huggingface.cloud", SecretStr(TOKEN), 0)
    with pytest.raises(EndpointError) as refused:
        await client.check(target)
    await client.close()
    assert refused.value.code == "endpoint_unreachable" and container.calls == []
