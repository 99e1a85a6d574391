"""`/endpoint` and drawings through it, and that the token is nowhere afterwards."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bot.app import App
from bot.config import Config
from bot.sandbox import World
from data.jobs import Lane
from inference.endpoint_calls import Limits
from tests.bot.face import card_saying, cards, eventually, text_of, train
from tests.endpoint_hub import EndpointsApi
from tests.endpoint_server import TOKEN, Container
from tests.fakes import ScriptedGpu


@pytest.fixture
async def container() -> AsyncGenerator[Container, None]:
    async with Container().served() as container:
        yield container


@pytest.fixture
async def api(monkeypatch: pytest.MonkeyPatch, container: Container) -> AsyncGenerator[EndpointsApi, None]:
    async with EndpointsApi(address=container.url).served(monkeypatch) as api:
        yield api


@pytest.fixture
async def app(tmp_path: Path, gpu: ScriptedGpu, api: EndpointsApi) -> AsyncGenerator[App, None]:
    config = Config(_env_file=None, home=tmp_path / "home", endpoint_hosts="127.0.0.1", hub=api.url)
    app = App(config, gpu=gpu)
    await app.start()
    app.endpoint_client.calls.limits = Limits(connect=2, answer=5, body=1, hold=0.2, retry=0.3, tick=0.05)
    yield app
    await app.close()


async def connect(here: World, where: str, token: str = TOKEN, **options: object) -> str:
    form = await here.visitor.slash(here.studio, "endpoint connect", **options)
    fields = {"token": token, "where": where, "trigger": "abraza person"}
    return text_of((await here.visitor.submit_modal(form, fields)).response)


def ended(here: World, prompt: str) -> str:
    """What the card of a drawing says that is over, else nothing."""
    return next((said for card in cards(here, prompt) if "Cancel" not in (said := text_of(card))), "")


def left_behind(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, by its name there."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


async def test_the_form_says_that_the_token_can_be_seen(here: World) -> None:
    form = await here.visitor.slash(here.studio, "endpoint connect")
    assert form.modal is not None and "can be read while you type" in str(form.modal)


async def test_a_full_run_leaves_the_token_nowhere(
    here: World, app: App, container: Container, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    said = [await connect(here, container.url, "hf_wrong_token"), await connect(here, container.url)]
    assert "does not accept the token" in said[0] and "is connected" in said[1]
    said.append(text_of((await here.visitor.slash(here.studio, "endpoint test")).response))
    assert "It works" in said[-1]

    container._up_at, container.cold = None, 2.0
    await here.visitor.slash(
        here.studio, "imagine", prompt="me as a pirate", backend="endpoint", seed=7, count=2
    )
    await card_saying(here, "Your endpoint is starting")
    done = await card_saying(here, "seed 7")
    assert len(done.attachments) == 2 and "the endpoint's own model · seed 7" in text_of(done)
    details = text_of((await here.visitor.click(done, label="Details")).response)
    assert "**Model** the endpoint's own model" in details and "a Hugging Face endpoint" in details
    assert ("abraza person as a pirate", 7) in container.paid

    for fault in ("401", "500", "html", "cut", "redirect"):
        container.faults = [fault]
        await here.visitor.slash(here.studio, "imagine", prompt=f"a {fault}", backend="endpoint", count=1)
        said.append(await eventually(lambda fault=fault: ended(here, f"### a {fault}")))
    said.append(text_of((await here.visitor.slash(here.studio, "endpoint status")).response))
    assert "paid" not in said[-1] and "Account: ann" in said[-1]
    said += [text_of(message) for message in (*here.studio.history(), *here.prompts.history())]

    assert container.elsewhere == 0
    forms = [TOKEN, TOKEN[3:], base64.b64encode(TOKEN.encode()).decode().rstrip("=")]
    written = await asyncio.to_thread(left_behind, tmp_path)
    assert "home/likeness.sqlite3" in written
    for form in forms:
        assert not any(form in text for text in (*said, caplog.text))
        assert [name for name, content in written.items() if form.encode() in content] == []
    text = text_of((await here.visitor.slash(here.studio, "endpoint disconnect")).response)
    assert "token erased" in text and await app.vault.get("user", here.visitor.id, "endpoint") is None


async def test_only_who_manages_the_server_sets_its_endpoint(
    here: World, app: App, container: Container
) -> None:
    friend = here.guild.add_member(here.env.create_user("friend"))
    refused = await friend.slash(here.studio, "endpoint connect", server=True)
    assert "Only people who manage this server" in text_of(refused.response)
    assert "is connected" in await connect(here, container.url, server=True, daily_pictures=1)
    assert await app.endpoints.lane_for("endpoint", friend.id, here.guild.id, None) is Lane.endpoint
    answer = await friend.slash(here.studio, "imagine", prompt="a cat", backend="endpoint", count=2)
    assert "has drawn its 1 pictures" in text_of(answer.response)


async def test_the_latest_publication_is_what_is_deployed(here: World, api: EndpointsApi, app: App) -> None:
    from pydantic import SecretStr

    asked = await here.visitor.slash(here.studio, "endpoint deploy", hardware="x")
    assert "published nothing yet" in text_of(asked.response)
    await train(here)
    await card_saying(here, "Meet abraza")
    (model,) = await app.models.of_user(here.visitor.id, here.guild.id)
    async with app.db.transaction() as tx:
        for repository in ("ann/older", "ann/abraza"):
            await app.publications.put(
                user_id=here.visitor.id,
                repository=repository,
                guild_id=here.guild.id,
                model_id=model.id,
                url="",
                visibility="private",
                revision="1",
                tx=tx,
            )
    await app.vault.put("user", here.visitor.id, "hub", SecretStr(TOKEN))
    offered = await here.visitor.autocomplete(here.studio, "endpoint deploy", "repository", "", hardware="x")
    assert [choice["value"] for choice in offered] == ["ann/abraza", "ann/older"]
    choices = await here.visitor.autocomplete(here.studio, "endpoint deploy", "hardware", "t4")
    offer = await here.visitor.slash(here.studio, "endpoint deploy", hardware=choices[0]["value"])
    assert "Deploy ann/abraza?" in text_of(offer.response)
    await here.visitor.click(offer.response, label="Yes, deploy it")
    kept = await app.endpoint_accounts.get("user", here.visitor.id)
    assert (kept.repository, kept.model_id, kept.trigger) == ("ann/abraza", model.id, "abraza person")


async def test_a_deployment_needs_a_yes_after_its_price(here: World, api: EndpointsApi, app: App) -> None:
    from pydantic import SecretStr

    await app.vault.put("user", here.visitor.id, "hub", SecretStr(TOKEN))
    choices = await here.visitor.autocomplete(
        here.studio, "endpoint deploy", "hardware", "t4", repository="ann/abraza"
    )
    assert [choice["name"] for choice in choices] == ["nvidia-t4 x1 · aws us-east-1 · $0.50/h"]
    offer = await here.visitor.slash(
        here.studio, "endpoint deploy", repository="ann/abraza", hardware=choices[0]["value"]
    )
    shown = text_of(offer.response)
    assert "$0.50 an hour" in shown and "**aws us-east-1**" in shown and api.made == {}
    done = await here.visitor.click(offer.response, label="Yes, deploy it")
    assert "is being set up" in text_of(done.response) and len(api.made) == 1
    for command, words in (("pause", "is paused"), ("resume", "starting again"), ("delete", "is deleted")):
        answer = await here.visitor.slash(here.studio, f"endpoint {command}")
        assert words in text_of(answer.response)
    assert api.made == {}
