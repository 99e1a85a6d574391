"""Connecting endpoints, choosing between them and our own device, and drawing there through the queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from bot.services.endpoint_accounts import EndpointAccounts
from bot.services.endpoint_deploys import EndpointDeploys
from bot.services.endpoint_hub import EndpointHub
from bot.services.refusal import Refusal
from data.endpoints import Endpoint
from data.jobs import Job, JobKind, JobState, Lane
from tests.bot.services.house import ANN, BOB, GUILD, House, Recorder
from tests.endpoint_hub import ACCOUNT, EndpointsApi
from tests.endpoint_server import TOKEN, Container
from tests.fakes import ScriptedGpu

SECRET = SecretStr(TOKEN)


@pytest.fixture
async def container() -> AsyncIterator[Container]:
    async with Container().served() as container:
        yield container


@pytest.fixture
async def api(monkeypatch: pytest.MonkeyPatch, container: Container) -> AsyncIterator[EndpointsApi]:
    async with EndpointsApi(address=container.url).served(monkeypatch) as api:
        yield api


@pytest.fixture
def accounts(house: House, api: EndpointsApi) -> EndpointAccounts:
    return EndpointAccounts(
        house.db, house.kept_endpoints, house.vault, house.client, EndpointHub(api.url), wait_seconds=60
    )


@pytest.fixture
def deploys(house: House, api: EndpointsApi, accounts: EndpointAccounts) -> EndpointDeploys:
    hub = EndpointHub(api.url)
    return EndpointDeploys(house.db, house.kept_endpoints, house.vault, hub, accounts, wait_seconds=60)


async def put(house: House, container: Container, **values: Any) -> Endpoint:
    asked: dict[str, Any] = {"scope": "user", "scope_id": ANN, "url": container.url, "wait_seconds": 5}
    asked |= {"account": ACCOUNT, **values}
    await house.vault.put(asked["scope"], asked["scope_id"], "endpoint", SECRET)
    return await house.kept_endpoints.put(**asked)


async def drawing(house: House, backend: str = "endpoint", user: int = ANN, prompt: str = "a cat") -> Job:
    payload = (
        f'{{"prompt": "{prompt}", "count": 2, "seed": 7, "steps": 5, "base": "mini", "backend": "{backend}"}}'
    )
    return await house.jobs.create(
        JobKind.draw,
        payload=payload,
        lane=Lane.endpoint,
        user_id=user,
        guild_id=GUILD,
        channel_id=8,
        locale="en",
    )


async def served(house: House, recorder: Recorder, *jobs: Job) -> list[Job]:
    dispatcher = house.dispatcher(ScriptedGpu(), recorder)
    await dispatcher.start()
    ends = [await house.announced(job.id) for job in jobs]
    await dispatcher.stop()
    return ends


async def refused(call: Any) -> str:
    with pytest.raises(Refusal) as caught:
        await call
    return caught.value.code


async def test_connecting_checks_first_and_keeps_the_token_sealed(
    house: House, container: Container, api: EndpointsApi, accounts: EndpointAccounts
) -> None:
    assert await refused(accounts.connect("user", ANN, SecretStr("hf_wrong_token"), container.url)) == (
        "endpoint_bad_token"
    )
    for where in ("http://10.0.0.1", "https://example.com", "nonsense"):
        assert await refused(accounts.connect("user", ANN, SECRET, where)) == "endpoint_address"
    assert await house.kept_endpoints.of("user", ANN) is None
    endpoint, awake = await accounts.connect(
        "user", ANN, SECRET, container.url, trigger=" abraza  person ", wait_seconds=9999
    )
    assert awake and (endpoint.account, endpoint.trigger, endpoint.wait_seconds) == (
        ACCOUNT,
        "abraza person",
        60,
    )
    kept = await house.vault.get("user", ANN, "endpoint")
    assert kept is not None and kept.get_secret_value() == TOKEN
    picture, seconds = await accounts.test("user", ANN)
    assert picture.startswith(b"\x89PNG") and seconds >= 0
    await accounts.disconnect("user", ANN)
    assert await house.vault.get("user", ANN, "endpoint") is None
    assert await refused(accounts.status("user", ANN)) == "no_endpoint"


async def test_a_model_id_finds_the_accounts_own_endpoint(
    container: Container, api: EndpointsApi, accounts: EndpointAccounts, deploys: EndpointDeploys
) -> None:
    await deploys._hub.create(SECRET, "mine", "ann/abraza", (await deploys._hub.hardware(SECRET))[0])
    api.start("mine")
    endpoint, _ = await accounts.connect("user", BOB, SECRET, "ann/abraza")
    assert (endpoint.url.rstrip("/"), endpoint.repository) == (container.url, "ann/abraza")


async def test_a_deployment_shows_its_price_and_needs_a_yes_by_the_same_person(
    house: House, api: EndpointsApi, accounts: EndpointAccounts, deploys: EndpointDeploys
) -> None:
    assert await refused(deploys.offer("user", ANN, "ann/abraza", "any")) == "endpoint_no_token"
    await house.vault.put("user", ANN, "hub", SECRET)
    assert [one.price_per_hour for one in await deploys.hardware("user", ANN)] == [0.5, 0.8]
    assert await refused(deploys.offer("user", ANN, "abraza", "any")) == "endpoint_repository"
    assert await refused(deploys.offer("user", ANN, "ann/abraza", "any")) == "endpoint_no_hardware"
    number, offer = await deploys.offer(
        "user", ANN, "ann/abraza", "aws-us-east-1-nvidia-t4-x1", trigger="abraza person"
    )
    assert (offer.hardware.price_per_hour, offer.account, api.made) == (0.5, ACCOUNT, {})
    assert await refused(deploys.accept(number, {"user": BOB})) == "not_yours"
    made = await deploys.accept(number, {"user": ANN})
    assert await refused(deploys.accept(number, {"user": ANN})) in ("endpoint_exists", "endpoint_offer_over")
    (body,) = api.bodies
    scaling = body["compute"]["scaling"]
    assert (scaling["minReplica"], scaling["scaleToZeroTimeout"], body["type"]) == (0, 15, "authenticated")
    assert await house.endpoints.endpoint_for(ANN, GUILD) is None, "it has no address yet"
    assert (await accounts.status("user", ANN)).state == "pending"
    api.start(made.name or "")
    status = await accounts.status("user", ANN)
    assert status.state == "running" and status.seconds_run > 0
    assert await house.endpoints.endpoint_for(ANN, GUILD) is not None
    await deploys.pause("user", ANN)
    assert (await accounts.status("user", ANN)).state == "paused"
    ran = await house.kept_endpoints.seconds_run(made.id)
    assert await house.kept_endpoints.seconds_run(made.id) == ran, "it costs nothing now"
    await deploys.resume("user", ANN)
    await deploys.delete("user", ANN)
    assert api.made == {} and await house.kept_endpoints.of("user", ANN) is None


async def offered(deploys: EndpointDeploys) -> int:
    number, _ = await deploys.offer("user", ANN, "ann/abraza", "aws-us-east-1-nvidia-t4-x1")
    return number


async def test_whatever_is_accepted_at_once_no_endpoint_is_paid_for_unknown_to_us(
    house: House,
    container: Container,
    api: EndpointsApi,
    accounts: EndpointAccounts,
    deploys: EndpointDeploys,
) -> None:
    await house.vault.put("user", ANN, "hub", SECRET)
    numbers = [await offered(deploys) for _ in range(2)]
    ends = await asyncio.gather(
        *(deploys.accept(number, {"user": ANN}) for number in numbers),
        accounts.connect("user", ANN, SECRET, container.url),
        return_exceptions=True,
    )
    assert [str(end) for end in ends if isinstance(end, Refusal)] == 2 * ["endpoint_exists"]
    kept = await house.kept_endpoints.of("user", ANN)
    assert kept is not None and [kept.name] == list(api.made)


async def test_a_deployment_that_was_refused_leaves_what_was_connected(
    house: House,
    container: Container,
    api: EndpointsApi,
    accounts: EndpointAccounts,
    deploys: EndpointDeploys,
) -> None:
    former, _ = await accounts.connect("user", ANN, SECRET, container.url)
    number, api.status = await offered(deploys), 402
    assert await refused(deploys.accept(number, {"user": ANN})) == "endpoint_payment"
    assert await house.kept_endpoints.of("user", ANN) == former
    assert await house.vault.get("user", ANN, "endpoint") == SECRET


async def test_a_deployment_without_an_answer_can_be_looked_for_and_deleted(
    house: House, api: EndpointsApi, accounts: EndpointAccounts, deploys: EndpointDeploys
) -> None:
    await house.vault.put("user", ANN, "hub", SECRET)
    number, api.status = await offered(deploys), 500
    assert await refused(deploys.accept(number, {"user": ANN})) == "endpoint_deploy_unsure"
    assert (await accounts.status("user", ANN)).state == "endpoint_hub_lost"
    api.status = 200
    assert (await deploys.delete("user", ANN))[0].repository == "ann/abraza"
    number, api.status = await offered(deploys), 402
    assert await refused(deploys.accept(number, {"user": ANN})) == "endpoint_payment"
    assert await house.kept_endpoints.of("user", ANN) is None
    assert await house.vault.get("user", ANN, "endpoint") is None


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (402, "endpoint_payment"),
        (403, "endpoint_token_rights"),
        (404, "endpoint_hub_refused"),
        (500, "endpoint_hub_lost"),
    ],
)
async def test_what_the_hub_refuses_is_said_without_its_words(
    house: House, api: EndpointsApi, deploys: EndpointDeploys, status: int, code: str
) -> None:
    await house.vault.put("user", ANN, "hub", SECRET)
    api.status = status
    assert await refused(deploys.hardware("user", ANN)) == code


async def test_pictures_come_through_the_queue_and_me_is_who_the_endpoint_knows(
    house: House, recorder: Recorder, container: Container
) -> None:
    endpoint = await put(house, container, trigger="zoe woman")
    container.cold = 0.3
    (done,) = await served(house, recorder, await drawing(house, prompt="me on the moon"))
    assert done.state is JobState.done and len(recorder.shown[done.id]) == 2
    assert {picture.prompt for picture in recorder.shown[done.id]} == {"zoe woman on the moon"}
    assert "starting" in {job.phase for job in recorder.changes}
    assert set(container.paid.values()) == {1}
    assert await house.kept_endpoints.usual_seconds(endpoint.id)
    assert await house.kept_endpoints.pictures_since(endpoint.id, 0) == 2


async def test_what_came_before_a_failure_is_kept(
    house: House, recorder: Recorder, container: Container
) -> None:
    await put(house, container)
    container.faults = ["well", "html"]
    (done,) = await served(house, recorder, await drawing(house))
    assert (done.state, done.error_code) == (JobState.done, "endpoint_not_picture")
    assert len(recorder.shown[done.id]) == 1


async def test_a_failure_is_a_code_or_with_auto_our_own_device(
    house: House, recorder: Recorder, container: Container
) -> None:
    await put(house, container)
    container.faults = ["500", "500"]
    failed, drawn = await served(house, recorder, await drawing(house), await drawing(house, "auto"))
    assert (failed.state, failed.error_code) == (JobState.failed, "endpoint_error")
    assert (drawn.state, drawn.lane) == (JobState.done, Lane.gpu)


async def test_a_servers_endpoint_has_a_quota_for_everybody(
    house: House, recorder: Recorder, container: Container
) -> None:
    await put(house, container, scope="guild", scope_id=GUILD, daily_pictures=3)
    first, second = await drawing(house, user=ANN), await drawing(house, user=BOB)
    ends = await served(house, recorder, first, second)
    assert sorted(str(end.error_code) for end in ends) == ["None", "endpoint_quota"]
    assert container.paid.total() == 2
    lane = house.endpoints.lane_for("endpoint", BOB, GUILD, None, count=2)
    assert await refused(lane) == "endpoint_quota"
    assert await house.endpoints.lane_for("endpoint", BOB, GUILD, None, count=1) is Lane.endpoint


async def test_auto_takes_the_shorter_way(house: House, container: Container) -> None:
    service = house.endpoints
    assert await service.lane_for("auto", ANN, GUILD, None) is Lane.gpu
    assert await refused(service.lane_for("endpoint", ANN, GUILD, None)) == "no_endpoint"
    endpoint = await put(house, container)
    assert await service.lane_for("auto", ANN, GUILD, None) is Lane.gpu, "we are free"
    done = await house.imagine(user=BOB)
    await house.jobs.start(done.id)
    await house.jobs.finish(done.id)
    async with house.db.transaction() as tx:
        await tx.execute("UPDATE jobs SET started_at = finished_at - 40 WHERE id = ?", (done.id,))
        await house.kept_endpoints.draw_began(99, endpoint.id, 4, 50, tx)
    await house.kept_endpoints.draw_ended(99, 4, 30)
    waiting = await house.imagine(user=BOB)
    assert await service.lane_for("auto", ANN, GUILD, None) is Lane.endpoint, "40 s here, 30 s there"
    for choice in ({"base": True}, {"init": True}):
        assert await service.lane_for("auto", ANN, GUILD, None, **choice) is Lane.gpu
    assert await service.lane_for("local", ANN, GUILD, None) is Lane.gpu
    await house.jobs.cancel(waiting.id)
    assert await service.lane_for("auto", ANN, GUILD, None) is Lane.gpu


async def test_a_model_is_drawn_only_where_it_is(house: House, container: Container) -> None:
    model = await house.models.get(await house.make_model())
    assert model is not None
    await put(house, container, scope="guild", scope_id=GUILD, model_id=model.id, repository="ann/abraza")
    lane_for = house.endpoints.lane_for
    assert await lane_for("endpoint", ANN, GUILD, model) is Lane.endpoint
    assert await refused(lane_for("endpoint", BOB, GUILD, None)) == "no_such_model", "it is not shared"
    other = await house.models.get(await house.make_model(BOB, "bobby"))
    assert await refused(lane_for("endpoint", BOB, GUILD, other)) == "endpoint_other_model"
    await house.models.delete(model.id)
    assert await refused(lane_for("endpoint", BOB, GUILD, None)) == "no_such_model", "nor is it once deleted"
