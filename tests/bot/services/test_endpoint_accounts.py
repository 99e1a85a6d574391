"""Connecting endpoints, and deploying them: what is checked, kept, and taken back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from bot.services.endpoint_accounts import EndpointAccounts
from bot.services.endpoint_deploys import EndpointDeploys
from bot.services.endpoint_hub import EndpointHub
from bot.services.refusal import Refusal
from inference.endpoint_health import AT_ONCE
from tests.bot.services.house import ANN, BOB, GUILD, House, refused
from tests.endpoint_hub import ACCOUNT, EndpointsApi
from tests.endpoint_server import TOKEN, Container

SECRET = SecretStr(TOKEN)


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
    assert await refused(deploys.accept(number, {"user": BOB})) == "endpoint_offer_over"
    made = await deploys.accept(number, {"user": ANN})
    assert await refused(deploys.accept(number, {"user": ANN})) in ("endpoint_exists", "endpoint_offer_over")
    (body,) = api.bodies
    scaling = body["compute"]["scaling"]
    assert (scaling["minReplica"], scaling["scaleToZeroTimeout"], body["type"]) == (0, 15, "authenticated")
    assert scaling["maxReplica"] == AT_ONCE, "more than one would idle"
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
