"""The way to an endpoint, against a real server that behaves like Hugging Face's container."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from PIL import Image
from pydantic import SecretStr

from inference.endpoint import EndpointClient
from inference.endpoint_answers import fault, picture
from inference.endpoint_calls import Target
from inference.endpoint_health import Breaker
from inference.endpoint_waiting import Waiting
from inference.errors import EndpointError
from inference.requests import DrawDone, DrawFailed, DrawProgress, Picture
from tests.endpoint_server import TOKEN, Container
from tests.inference.endpoints import QUICK, drawn, request

SCANS = Path(__file__).parents[3] / "shared/cases/scans-20000-4mp.jpg"


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
        assert image.info["parameters"] == (
            "a cat\nNegative prompt: dogs\nSteps: 10, CFG scale: 5.5, Seed: 9, Size: 64x64, Model: abraza"
        ), "the endpoint does not say which sampler it takes"
    assert [event.step for event in events if isinstance(event, DrawProgress)][-1] == 30


async def test_other_shapes_are_cut_from_squares_and_no_size_takes_the_models_own(
    client: EndpointClient, container: Container, tmp_path: Path
) -> None:
    await drawn(client, container, request(tmp_path / "a", count=1, width=64, height=96))
    await drawn(client, container, request(tmp_path / "b", count=1, width=None, height=None))
    first, second = (call["parameters"] for call in container.calls)
    assert isinstance(first, dict) and (first["width"], first["height"]) == (96, 96)
    assert isinstance(second, dict) and "width" not in second
    for folder, size, said in (
        ("a", (64, 96), "Size: 96x96, Model: abraza, Cut: 64x96+16+0"),
        ("b", (64, 64), "Size: 64x64, Model: abraza"),
    ):
        with Image.open(tmp_path / folder / "0.png") as image:
            assert image.size == size and image.info["parameters"].endswith(said)


@pytest.mark.parametrize("word", ["jpeg", "base64"])
async def test_older_containers_answer_otherwise(
    client: EndpointClient, container: Container, tmp_path: Path, word: str
) -> None:
    container.faults = [word]
    events = await drawn(client, container, request(tmp_path, count=1))
    assert isinstance(events[-1], DrawDone)


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("400", "endpoint_bad_request"),
        ("says CUDA out of memory. Tried to allocate 2 GiB", "endpoint_out_of_memory"),
        ("says CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate", "endpoint_out_of_memory"),
        ("says cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "endpoint_out_of_memory"),
        ("says hipErrorOutOfMemory", "endpoint_out_of_memory"),
        ("says DefaultCPUAllocator: can't allocate memory", "endpoint_out_of_memory"),
        ("says Bad Request: Endpoint is paused", "endpoint_paused"),
        ("401", "endpoint_bad_token"),
        ("402", "endpoint_payment"),
        ("403", "endpoint_forbidden"),
        ("404", "endpoint_not_found"),
        ("413", "endpoint_too_long"),
        ("500", "endpoint_error"),
        ("502", "endpoint_gateway"),
        ("503", "endpoint_gateway"),
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
    for number in range(4):
        end = (await drawn(client, container, request(tmp_path / str(number))))[-1]
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


def test_a_model_that_can_not_be_loaded_is_no_start() -> None:
    said = b'{"error": "Error(s) in loading state_dict for CLIPTextModel"}'
    failed = fault(500, {}, said)
    assert failed.code == "endpoint_error" and failed.wait is None


async def test_a_cancellation_is_heard_also_as_a_wait_ends() -> None:
    there = asyncio.Event()

    async def wait() -> None:
        waiting = Waiting(QUICK, 60, lambda *_: None)
        waiting.begin("busy")
        async with waiting.told():
            await there.wait()
        await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    there.set()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.cancelled()


async def test_the_check_finds_a_wrong_token_and_a_sleeping_endpoint(
    client: EndpointClient, container: Container
) -> None:
    assert await client.check(Target(container.url, SecretStr(TOKEN), 5))
    with pytest.raises(EndpointError) as wrong:
        await client.check(Target(container.url, SecretStr("hf_wrong"), 5))
    assert wrong.value.code == "endpoint_bad_token"
    container.cold, container._up_at = 5, None
    assert not await client.check(Target(container.url, SecretStr(TOKEN), 5))


def jpeg(**options: object) -> bytes:
    content = io.BytesIO()
    Image.effect_noise((64, 64), 60).convert("RGB").save(content, "JPEG", **options)
    return content.getvalue()


def test_a_jpeg_of_more_scans_than_any_encoder_writes_is_not_decoded() -> None:
    progressive = jpeg(progressive=True)
    assert picture(progressive, (64, 64)).size == (64, 64)
    last = progressive.rindex(b"\xff\xda")
    endless = progressive[:last] + progressive[last:-2] * 1000 + progressive[-2:]
    with pytest.raises(EndpointError) as refused:
        picture(endless, (64, 64))
    assert refused.value.code == "endpoint_too_large"


@pytest.mark.skipif(not SCANS.is_file(), reason="the collection of odd pictures is not on this machine")
def test_a_small_file_that_takes_a_minute_is_not_decoded() -> None:
    with pytest.raises(EndpointError) as refused:
        picture(SCANS.read_bytes(), None)
    assert refused.value.code == "endpoint_too_large"
