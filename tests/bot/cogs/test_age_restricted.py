"""Channels for adults: more is allowed in them, and nothing of it comes out of them."""

from __future__ import annotations

import discord
import pytest
from simcord.builders import ChannelHandle

from bot.app import App
from bot.sandbox import World
from tests.bot.cogs.test_results import friend_of
from tests.bot.face import card_saying, eventually, photos, text_of

WORDS = "a nude statue"


@pytest.fixture
async def adults(here: World, monkeypatch: pytest.MonkeyPatch) -> ChannelHandle:
    # The simulated Discord has no age-restricted channels.
    monkeypatch.setattr(discord.TextChannel, "is_nsfw", lambda channel: channel.name == "adults")
    return here.guild.create_text_channel("adults")


async def test_sexual_words_are_refused_outside_of_them(here: World, adults: ChannelHandle, app: App) -> None:
    refused = await here.visitor.slash(here.studio, "imagine", prompt=WORDS)
    assert "does not allow **nude**" in text_of(refused.response)
    # The card of a private drawing goes to a direct message, which is no channel for adults.
    private = await here.visitor.slash(adults, "imagine", prompt=WORDS, private=True)
    assert "does not allow **nude**" in text_of(private.response)
    never = await here.visitor.slash(adults, "imagine", prompt="a nude child")
    assert "I never draw that" in text_of(never.response)
    assert await app.jobs.of_user(here.visitor.id) == []
    await here.visitor.slash(adults, "imagine", prompt=WORDS)
    assert len(await app.jobs.of_user(here.visitor.id)) == 1


async def test_samples_follow_the_rules_of_their_own_channel(here: World, adults: ChannelHandle) -> None:
    wish = {"name": "abraza", "consent": True, "photo1": photos(1)[0], "sample_prompt": WORDS}
    refused = await here.visitor.slash(adults, "train", **wish)
    assert "does not allow **nude**" in text_of(refused.response)


async def test_what_is_shared_in_them_is_listed_in_them_alone(
    here: World, adults: ChannelHandle, app: App
) -> None:
    await app.settings.update(here.guild.id, gallery_channel_id=adults.id, max_count=1)
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", seed=7)
    card = await card_saying(here, "seed 7")
    await here.visitor.click(card, label="Share")
    friend = friend_of(here)
    outside = text_of((await friend.slash(here.studio, "prompts top")).response)
    assert "a cat" not in outside and "Only in age-restricted channels: 1" in outside
    assert "a cat" in text_of((await friend.slash(adults, "prompts top")).response)


async def test_what_nobody_checked_in_them_is_not_shared_elsewhere(
    here: World, adults: ChannelHandle, app: App
) -> None:
    await app.settings.update(here.guild.id, max_count=1)
    await here.visitor.slash(adults, "imagine", prompt="a cat", seed=7)
    (card,) = await eventually(lambda: [one for one in adults.history() if one.attachments])
    refused = await here.visitor.click(card, label="Share")
    assert "without the safety checker" in text_of(refused.response) and not here.prompts.history()
    await app.settings.update(here.guild.id, gallery_channel_id=adults.id)
    assert "Shared" in text_of((await here.visitor.click(card, label="Share")).response)
