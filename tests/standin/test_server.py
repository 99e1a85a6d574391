"""The stand-in does what Discord does, seen with discord.py's own HTTP client."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from itertools import count

import aiohttp
import discord
import pytest
from discord.http import HTTPClient, Route

from tests.bot.face import eventually
from tests.standin.faults import Fault
from tests.standin.limits import RateLimits
from tests.standin.server import TOKEN, StandIn, stand_in


@pytest.fixture
async def there() -> AsyncGenerator[StandIn, None]:
    async with stand_in(scale=0.02) as there:
        yield there
        assert there.rest.breaches == []


@pytest.fixture
async def client(there: StandIn, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[HTTPClient, None]:
    monkeypatch.setattr(Route, "BASE", there.api)
    client = discord.Client(intents=discord.Intents(guilds=True))
    async with client:
        await client.http.static_login(TOKEN)
        yield client.http


async def post(client: HTTPClient, there: StandIn, **body: object) -> int:
    route = Route("POST", "/channels/{channel_id}/messages", channel_id=there.world.studio.id)
    return int((await client.request(route, json={"content": "hello", **body}))["id"])


def shown(there: StandIn) -> list[int]:
    return [message.id for message in there.world.studio.history()]


def test_a_window_takes_five_messages_a_channel() -> None:
    seconds = count()
    limits = RateLimits(clock=lambda: next(seconds) / 100)
    verdicts = [limits.judge("POST", "/channels/1/messages") for _ in range(6)]
    assert [verdict.retry_after is None for verdict in verdicts] == [True] * 5 + [False]
    assert verdicts[4].headers["X-RateLimit-Remaining"] == "0" and 4 < verdicts[5].retry_after < 5
    assert limits.judge("POST", "/channels/2/messages").retry_after is None, "each channel has its own"
    assert limits.refused == 1


def test_everything_together_is_fifty_a_second_but_for_answers_to_interactions() -> None:
    limits = RateLimits(clock=lambda: 0)
    verdicts = [limits.judge("GET", f"/users/{number}") for number in range(51)]
    assert [verdict.everything for verdict in verdicts] == [False] * 50 + [True]
    assert limits.judge("POST", "/interactions/1/token/callback").retry_after is None


async def test_more_messages_than_a_window_takes_arrive_later(there: StandIn, client: HTTPClient) -> None:
    for _ in range(12):
        await post(client, there)
    assert len(shown(there)) == 12


async def test_an_enforced_nonce_gives_the_message_that_exists(there: StandIn, client: HTTPClient) -> None:
    first = await post(client, there, nonce="card-1", enforce_nonce=True)
    assert await post(client, there, nonce="card-1", enforce_nonce=True) == first
    assert await post(client, there, nonce="card-1") != first
    assert await post(client, there, nonce="card-2", enforce_nonce=True) != first
    there.rest.nonces.forget()
    assert await post(client, there, nonce="card-1", enforce_nonce=True) != first


@pytest.mark.parametrize("done", [False, True])
async def test_a_connection_that_is_cut_says_nothing_of_what_was_done(
    there: StandIn, client: HTTPClient, done: bool
) -> None:
    there.rest.faults.add(Fault("POST", "/channels/*/messages", done=done))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await post(client, there)
    assert len(shown(there)) == done


async def test_an_answer_that_came_too_late_is_repeated_by_discord_py(
    there: StandIn, client: HTTPClient
) -> None:
    there.rest.faults.add(Fault("POST", "/channels/*/messages", 504, done=True))
    await post(client, there)
    assert await eventually(lambda: len(shown(there)) == 2), "which is how messages come to be twice"
