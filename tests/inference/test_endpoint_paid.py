"""What was drawn is paid for: nothing is drawn twice, and what can't have been drawn is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from inference.endpoint import EndpointClient
from inference.endpoint_calls import Target
from inference.requests import DrawDone, DrawEvent, DrawFailed, DrawRequest, DrawWaiting, Picture
from tests.endpoint_server import TOKEN, Container, flat
from tests.inference.endpoints import PATIENT, drawn, request


@pytest.fixture(autouse=True)
def patient(client: EndpointClient) -> None:
    client.calls.limits = PATIENT


def reasons(events: list[DrawEvent]) -> set[str]:
    return {event.reason for event in events if isinstance(event, DrawWaiting)}


def code(events: list[DrawEvent]) -> str:
    assert isinstance(events[-1], DrawFailed)
    return events[-1].code


async def test_a_cold_start_is_waited_for_in_sight(
    client: EndpointClient, container: Container, tmp_path: Path
) -> None:
    container.cold, container.faults = 1.2, ["loading", "busy"]
    events = await drawn(client, container, request(tmp_path), wait=60)
    waits = [event for event in events if isinstance(event, DrawWaiting)]
    assert isinstance(events[-1], DrawDone) and reasons(events) == {"starting", "busy"}
    assert waits[-1].seconds >= 1.2 and [wait.seconds for wait in waits] == sorted(
        wait.seconds for wait in waits
    )
    assert set(container.paid.values()) == {1}


@pytest.mark.parametrize(("unborn", "calls"), [(503, 3), (502, 2)])
async def test_while_it_starts_it_is_asked_what_costs_nothing(
    client: EndpointClient, container: Container, tmp_path: Path, unborn: int, calls: int
) -> None:
    """One call may be needed to wake it; but a 502, unlike a 503, may be the end of one that was drawn."""
    container.cold, container.unborn = 0.5, unborn
    events = await drawn(client, container, request(tmp_path), wait=60)
    assert isinstance(events[-1], DrawDone) and reasons(events) == {"starting"}
    assert len(container.calls) == calls and container.looks > 2 and set(container.paid.values()) == {1}


async def test_a_start_that_takes_too_long_is_one_failure_and_no_sickness(
    client: EndpointClient, container: Container, tmp_path: Path
) -> None:
    container.cold = 60
    ends = [code(await drawn(client, container, request(tmp_path), wait=0.1)) for _ in range(4)]
    assert ends == ["endpoint_cold"] * 4 and container.paid.total() == 0


@pytest.mark.parametrize("unborn", [503, 502])
async def test_a_picture_at_which_the_container_died_is_not_drawn_again(
    client: EndpointClient, container: Container, tmp_path: Path, unborn: int
) -> None:
    container.cold, container.unborn, container.faults = 0.2, unborn, ["died", "well", "died"]
    first = await drawn(client, container, request(tmp_path / "a"), wait=60)
    assert code(first) == "endpoint_gateway" and list(container.paid.values()) == [1]
    second = await drawn(client, container, request(tmp_path / "b", seed=20), wait=60)
    assert code(second) == "endpoint_gateway" and reasons(second) == {"starting"}
    assert set(container.paid.values()) == {1}
    # As after a crash that kept the end of this job from being written.
    third = await drawn(client, container, request(tmp_path / "b", seed=20), wait=60)
    assert [event.index for event in third if isinstance(event, Picture)] == [0], "what lies there"
    assert code(third) == "endpoint_cut" and set(container.paid.values()) == {1}


async def busy(
    client: EndpointClient, container: Container, asked: list[DrawRequest]
) -> list[asyncio.Task[list[DrawEvent]]]:
    """Drawings of which the first one is being drawn while all others wait for their turn."""
    ends, waiting = [], []

    async def watched(one: DrawRequest) -> list[DrawEvent]:
        events = []
        async for event in client.draw(Target(container.url, SecretStr(TOKEN), 60, pooled=False), one):
            events.append(event)
            if isinstance(event, DrawWaiting) and event.reason == "busy":
                waiting.append(one.out)
        return events

    for number, one in enumerate(asked):
        ends.append(asyncio.create_task(watched(one)))
        while not container.running or len(set(waiting)) < number:
            await asyncio.sleep(0.01)
    return ends


async def test_who_waits_for_a_turn_while_the_container_dies_waits_for_its_start(
    client: EndpointClient, container: Container, tmp_path: Path
) -> None:
    go = asyncio.Event()

    async def last(asked: dict[str, object]) -> bytes:
        await go.wait()
        container.cold = 0.3
        return await flat(asked)

    container.draw, container.faults = last, ["died"]
    asked = [request(tmp_path / name, prompt=name, count=1) for name in ("ann", "bob")]
    ann, bob = await busy(client, container, asked)
    go.set()
    assert code(await ann) == "endpoint_gateway"
    events = await bob
    assert isinstance(events[-1], DrawDone) and reasons(events) == {"busy", "starting"}
    assert set(container.paid.values()) == {1}


async def test_who_waits_for_a_turn_does_not_call_what_has_failed_too_often_meanwhile(
    client: EndpointClient, container: Container, tmp_path: Path
) -> None:
    go = asyncio.Event()

    async def held(asked: dict[str, object]) -> bytes:
        await go.wait()
        return await flat(asked)

    container.draw, container.faults = held, ["cut"] + ["500"] * 9
    ends = await busy(client, container, [request(tmp_path / str(n), count=1) for n in range(6)])
    go.set()
    codes = [code(await end) for end in ends]
    assert codes == ["endpoint_cut", "endpoint_error", "endpoint_error"] + ["endpoint_resting"] * 3
    assert len(container.calls) == 3


async def test_a_full_disk_ends_a_drawing_and_keeps_what_was_paid_for(
    client: EndpointClient, container: Container, tmp_path: Path
) -> None:
    (tmp_path / "1.png.incoming").symlink_to("/dev/full")
    events = await drawn(client, container, request(tmp_path, count=3))
    assert code(events) == "disk_full" and len(container.calls) == 2
    assert [event.index for event in events if isinstance(event, Picture)] == [0]


async def test_what_was_under_way_when_we_were_stopped_is_not_drawn_again(
    client: EndpointClient, container: Container, tmp_path: Path
) -> None:
    container.delay = 0.3
    stream = client.draw(Target(container.url, SecretStr(TOKEN), 5), request(tmp_path))
    async for event in stream:
        if isinstance(event, Picture):
            break
    while not container.running:
        await asyncio.sleep(0.01)
    await stream.aclose()
    again = await drawn(client, container, request(tmp_path))
    assert code(again) == "endpoint_cut" and len(container.calls) == 2
    assert [event.index for event in again if isinstance(event, Picture)] == [0]


async def test_a_port_that_is_closed_while_the_model_loads_is_waited_for(
    client: EndpointClient, tmp_path: Path
) -> None:
    async with Container().served(loading=True) as container:
        target = Target(container.url, SecretStr(TOKEN), 60)
        events = []
        async for event in client.draw(target, request(tmp_path)):
            events.append(event)
            if [type(one) for one in events].count(DrawWaiting) == 10 and isinstance(event, DrawWaiting):
                await container.open()
        assert isinstance(events[-1], DrawDone) and reasons(events) == {"unreachable"}
        assert len(container.calls) == 2


async def test_a_port_that_closes_between_two_pictures_is_waited_for(
    client: EndpointClient, container: Container, tmp_path: Path
) -> None:
    async def last(asked: dict[str, object]) -> bytes:
        if len(container.calls) == 1:
            await container.close()
        return await flat(asked)

    container.draw = last
    events = []
    target = Target(container.url, SecretStr(TOKEN), 60, pooled=False)
    async for event in client.draw(target, request(tmp_path)):
        events.append(event)
        if [type(one) for one in events].count(DrawWaiting) == 1 and isinstance(event, DrawWaiting):
            await container.open()
    assert isinstance(events[-1], DrawDone) and reasons(events) == {"unreachable"}
    assert set(container.paid.values()) == {1}


async def test_what_stays_closed_can_not_be_reached(client: EndpointClient, tmp_path: Path) -> None:
    async with Container().served(loading=True) as closed:
        events = await drawn(client, closed, request(tmp_path), wait=0.3)
    assert code(events) == "endpoint_unreachable" and reasons(events) == {"unreachable"}


async def test_a_host_without_an_address_is_not_waited_for(client: EndpointClient, tmp_path: Path) -> None:
    nowhere = Container(url="https://nowhere.invalid.endpoints.huggingface.cloud")
    assert code(await drawn(client, nowhere, request(tmp_path), wait=3600)) == "endpoint_unreachable"


@pytest.fixture
async def forwarded() -> AsyncIterator[Container]:
    """A port as Docker hands it on: it is open, and whoever connects is dropped until the model is loaded."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        yield Container(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")


async def test_a_forwarded_port_with_nobody_behind_is_no_broken_drawing(
    client: EndpointClient, forwarded: Container, tmp_path: Path
) -> None:
    assert code(await drawn(client, forwarded, request(tmp_path), wait=0.3)) == "endpoint_unreachable"


@pytest.mark.parametrize(
    ("health", "end"), [(404, None), (401, "endpoint_bad_token"), (500, "endpoint_error")]
)
async def test_before_a_picture_is_paid_for_its_server_is_asked_how_it_is(
    client: EndpointClient, container: Container, tmp_path: Path, health: int, end: str | None
) -> None:
    container.health = health
    events = await drawn(client, container, request(tmp_path))
    assert getattr(events[-1], "code", None) == end
    assert len(container.calls) == (0 if end else 2)


async def test_it_is_sent_as_much_as_it_draws_at_once_whoever_asks(
    client: EndpointClient, container: Container, tmp_path: Path
) -> None:
    container.delay = 0.002
    ends = await asyncio.gather(
        *(drawn(client, container, request(tmp_path / str(n), seed=10 * n)) for n in range(50))
    )
    assert all(isinstance(events[-1], DrawDone) for events in ends)
    assert container.paid.total() == 100 and container.most == 1


async def test_people_take_turns_and_a_calls_time_runs_from_its_turn(
    client: EndpointClient, container: Container, tmp_path: Path
) -> None:
    order: list[object] = []

    async def slow(asked: dict[str, object]) -> bytes:
        order.append(asked["inputs"])
        while len(order) == 1 and len(waits) < 3:  # until the other one has waited a while
            await asyncio.sleep(0.01)
        return await flat(asked)

    container.draw, waits = slow, []
    ann = asyncio.create_task(drawn(client, container, request(tmp_path / "a", prompt="ann", count=3)))
    while not order:
        await asyncio.sleep(0.01)
    target = Target(container.url, SecretStr(TOKEN), 0)
    async for event in client.draw(target, request(tmp_path / "b", prompt="bob", count=2)):
        waits += [event.reason] if isinstance(event, DrawWaiting) else []
    assert isinstance((await ann)[-1], DrawDone)
    assert order[:2] == ["ann", "bob"] and sorted(order) == ["ann"] * 3 + ["bob"] * 2
    assert set(waits) == {"busy"}
