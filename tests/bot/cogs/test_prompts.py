"""Sharing, voting, trying on, the lists of `/prompts`, and the weekly digest."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing

import discord
import pytest
from simcord.builders import ChannelHandle

from bot.app import App
from bot.sandbox import World
from bot.services.digest import WEEK_SECONDS
from bot.services.draw_payload import DrawPayload
from bot.services.gallery import Page
from bot.ui.gallery_card import page_card
from data.gallery import Order
from tests.bot.cogs.handovers.steps import trained
from tests.bot.cogs.test_restart import restarted
from tests.bot.cogs.test_results import drawn, friend_of, next_job
from tests.bot.face import card_saying, cards, eventually, parts_of, text_of, train
from tests.fakes import ScriptedGpu


async def share(here: World, card: discord.Message, number: int = 1) -> discord.Message:
    """Share a picture of a result with four, and give the card in the gallery."""
    asked = await here.visitor.click(card, label="Share")
    said = await here.visitor.click(asked.response, label=f"Share {number}")
    assert "Shared: [your card]" in text_of(said.response)
    return (await eventually(lambda: cards(here, "shared by")))[-1]


async def test_a_shared_picture_is_a_card_with_votes_and_is_shared_once(here: World, app: App) -> None:
    card = await drawn(here)
    shared = await share(here, card, 2)
    assert shared.channel.id == here.prompts.id and len(shared.attachments) == 1
    assert "seed 8" in text_of(shared) and "Works · 0" in text_of(shared)
    await share(here, card, 2)
    assert len(cards(here, "shared by")) == 1
    await shared.delete()
    assert (await share(here, card, 2)).id != shared.id


async def test_votes_count_once_a_person_and_can_change(here: World) -> None:
    shared = await share(here, await drawn(here))
    friend = friend_of(here)

    async def seen() -> tuple[bool, bool]:
        said = text_of((await eventually(lambda: cards(here, "shared by")))[0])
        return "Works · 2" in said, "Doesn't work · 1" in said

    await here.visitor.click(shared, label="Works · 0")
    (after,) = cards(here, "shared by")
    assert "Works · 1" in text_of(after) and len(after.attachments) == 1
    await friend.click(after, label="Works · 1")
    assert await seen() == (True, False)
    await friend.click(shared, custom_id="fails:1:0")
    assert "Works · 1\nDoesn't work · 1" in text_of(cards(here, "shared by")[0])
    await friend.click(shared, custom_id="fails:1:0")
    assert "Works · 1\nDoesn't work · 0" in text_of(cards(here, "shared by")[0])


async def test_only_the_owner_shares_and_only_with_the_role(here: World, app: App) -> None:
    card = await drawn(here, count=1)
    refused = await friend_of(here).click(card, label="Share")
    assert "belongs to somebody else" in text_of(refused.response)
    owner_only = await app.settings.update(here.guild.id, share_roles=(123,))
    assert owner_only.share_roles == (123,)
    friend = friend_of(here, "other")
    await friend.slash(here.studio, "imagine", prompt="a dog", seed=9, count=1)
    denied = await friend.click(await card_saying(here, "seed 9"), label="Share")
    assert not cards(here, "shared by") and denied.ephemeral


async def test_a_server_without_a_gallery_channel_says_so(here: World, app: App) -> None:
    card = await drawn(here, count=1)
    here.env.inject_error("POST", f"/channels/{here.prompts.id}/messages", status=403)
    refused = await here.visitor.click(card, label="Share")
    assert "may not post in a gallery channel" in text_of(refused.response)
    await here.visitor.click(card, label="Share")
    assert len(cards(here, "shared by")) == 1


async def test_the_chosen_gallery_channel_gets_the_card(here: World, app: App) -> None:
    await app.settings.update(here.guild.id, gallery_channel_id=here.studio.id)
    shared = await share(here, await drawn(here))
    assert shared.channel.id == here.studio.id


async def test_try_it_on_me_needs_a_model_and_then_draws_with_it(
    here: World, app: App, gpu: ScriptedGpu
) -> None:
    shared = await share(here, await drawn(here, "a castle", steps=20))
    friend = friend_of(here)
    refused = await friend.click(shared, label="Try it on me")
    assert "nobody to try it on" in text_of(refused.response)
    await train(here, 4, by=friend, name="mojo")
    await card_saying(here, "Meet mojo")
    await friend.click(shared, label="Try it on me")
    tried = await card_saying(here, "mojo person, a castle")
    assert f"<@{friend.id}>" in text_of(tried)
    assert (gpu.drawn[-1].seed, gpu.drawn[-1].steps) == (7, 20)


async def test_samples_are_a_card_of_the_gallery_too(here: World, app: App, gpu: ScriptedGpu) -> None:
    await train(here)
    samples = await card_saying(here, "Meet abraza")
    await eventually(lambda: app.gallery.get(1, here.guild.id))
    await here.visitor.click(samples, label="Works · 0")
    after = (await eventually(lambda: cards(here, "Meet abraza")))[0]
    assert "Works · 1" in text_of(after) and len(after.attachments) == 4
    await here.visitor.click(samples, label="Try it on me")
    await eventually(lambda: len(gpu.drawn) == 1)
    assert gpu.drawn[0].prompt == "photo of abraza person"


async def test_lists_rank_search_and_turn_pages(here: World, app: App) -> None:
    empty = await here.visitor.slash(here.studio, "prompts top")
    assert "Nothing here yet" in text_of(empty.response)
    for number in range(7):
        await here.visitor.slash(here.studio, "imagine", prompt=f"castle {number}", count=1, seed=number)
        await here.visitor.click(await card_saying(here, f"seed {number}"), label="Share")
    ids = [one.id for one in cards(here, "shared by")]
    assert len(ids) == 7
    await app.gallery.vote(3, 1, here.guild.id, True)
    await app.gallery.vote(5, 1, here.guild.id, False)

    top = await here.visitor.slash(here.studio, "prompts top")
    assert text_of(top.response).splitlines()[1] == "**castle 2**"
    assert len(parts_of(top.response)) <= 40
    turned = await here.visitor.click(top.response, label="More")
    assert "**castle 4**" in text_of(turned.response or top.response)
    new = text_of((await here.visitor.slash(here.studio, "prompts new")).response)
    assert new.index("castle 6") < new.index("castle 5")
    nothing = await friend_of(here).slash(here.studio, "prompts mine")
    assert "Nothing here yet" in text_of(nothing.response)
    found = text_of((await here.visitor.slash(here.studio, "prompts search", words="CASTLE 4")).response)
    assert "**castle 4**" in found and "castle 3" not in found
    odd = await here.visitor.slash(here.studio, "prompts search", words="%_ @everyone")
    assert "Nothing here yet" in text_of(odd.response) and "@everyone" not in text_of(odd.response)


async def test_a_page_of_a_forgotten_search_says_to_search_again(
    here: World, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data.gallery._SEARCHES", 1)
    search_id = await app.gallery.search(here.guild.id, here.visitor.id, "castle")
    view = page_card("en", Order.search, Page((), 0, True), {}, search_id=search_id, hidden=5)
    message = await app.bot.get_partial_messageable(here.studio.id).send(view=view)
    await app.gallery.search(here.guild.id, here.visitor.id, "owl")
    turned = await here.visitor.click(message, label="More")
    assert text_of(turned.response).startswith("This search is too old")
    assert "`/prompts search`" in text_of(turned.response)


async def test_deleting_the_pictures_takes_the_shared_card_along(here: World, app: App) -> None:
    card = await drawn(here)
    shared = await share(here, card)
    here.env.inject_error("DELETE", f"/channels/{shared.channel.id}/messages/{shared.id}", status=503)
    await here.visitor.click(card, label="Delete")
    with pytest.raises(Exception, match="no_such_card"):
        await app.gallery.get(1, here.guild.id)
    app.janitor.wake()  # as it does by itself after a while
    assert await eventually(lambda: not cards(here, "shared by")), "also where Discord failed at first"


async def test_votes_after_a_restart_and_on_what_is_gone(here: World, app: App, gpu: ScriptedGpu) -> None:
    shared = await share(here, await drawn(here))
    after = await restarted(here, app, gpu)
    try:
        await here.visitor.click(shared, label="Works · 0")
        assert "Works · 1" in text_of(cards(here, "shared by")[0])
        await after.imagining.delete(1)
        for label in ("works:1:0", "fails:1:0", "tryon:1:0"):
            refused = await here.visitor.click(shared, custom_id=label)
            assert "not shared any more" in text_of(refused.response) or "nobody" in text_of(refused.response)
    finally:
        await after.close()


async def test_the_digest_comes_once_a_week_where_it_is_wanted(here: World, app: App) -> None:
    shared = await share(here, await drawn(here))
    await here.visitor.click(shared, label="Works · 0")
    assert await app.digest.post_due() == 0
    await app.settings.update(here.guild.id, digest=True)
    assert await app.digest.post_due() == 1
    digest = await card_saying(here, "best prompts of the week")
    assert "a cat" in text_of(digest) and len(digest.attachments) == 1
    assert await app.digest.post_due() == 0
    async with app.db.transaction() as tx:
        await tx.execute("UPDATE digests SET sent_at = ?", (time.time() - WEEK_SECONDS - 1,))
        await tx.execute("UPDATE shared SET created_at = 0")
    assert await app.digest.post_due() == 0
    assert len(cards(here, "best prompts of the week")) == 1


async def test_a_digest_that_discord_did_not_take_comes_later(here: World, app: App) -> None:
    shared = await share(here, await drawn(here))
    await here.visitor.click(shared, label="Works · 0")
    await app.settings.update(here.guild.id, digest=True)
    await app.db.connection.execute("UPDATE shared SET works = 1")
    here.env.inject_error("POST", f"/channels/{here.prompts.id}/messages", status=403)
    assert await app.digest.post_due() == 1
    assert not cards(here, "best prompts of the week")


async def test_a_digest_is_shown_once_though_the_database_was_held_just_then(
    here: World, app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shared = await share(here, await drawn(here))
    await here.visitor.click(shared, label="Works · 0")
    await app.settings.update(here.guild.id, digest=True)
    await app.db.connection.execute("PRAGMA busy_timeout = 10")
    monkeypatch.setattr("data.database._RETRY_SECONDS", 0.01)
    with closing(sqlite3.connect(app.files.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        posting = asyncio.create_task(app.digest.post_due())
        await eventually(lambda: "can't be written now" in caplog.text)
    assert await posting == 1 and await app.digest.post_due() == 0
    assert len(cards(here, "best prompts of the week")) == 1


async def test_job_numbers_do_not_cross_servers(here: World, app: App) -> None:
    await share(here, await drawn(here))
    with pytest.raises(Exception, match="no_such_card"):
        await app.gallery.vote(1, here.visitor.id, 99, True)
    assert await next_job(app, 0)


def hidden_from(here: World, app: App, name: str = "hidden", **denied: bool) -> ChannelHandle:
    """A channel where members may not do all that they may elsewhere."""
    guild = app.bot.get_guild(here.guild.id)
    assert guild is not None
    members = discord.PermissionOverwrite(**denied or {"view_channel": False})
    bot = discord.PermissionOverwrite(view_channel=True, send_messages=True)
    return here.guild.create_text_channel(name, overwrites={guild.default_role: members, guild.me: bot})


async def test_who_cannot_see_the_gallery_finds_none_of_it(here: World, app: App) -> None:
    hidden = hidden_from(here, app)
    await app.settings.update(here.guild.id, gallery_channel_id=hidden.id)
    await here.visitor.click(await drawn(here, count=1), label="Share")
    friend = friend_of(here)
    for command in ("prompts new", "prompts top"):
        assert "**a cat**" in text_of((await here.visitor.slash(here.studio, command)).response)
        said = text_of((await friend.slash(here.studio, command)).response)
        assert "Nothing here yet" in said
    found, none = [
        text_of((await friend.slash(here.studio, "prompts search", words=word)).response).replace(word, "")
        for word in ("cat", "owl")
    ]
    assert found == none, "how many were found would say what is in it"


async def test_the_digest_shows_only_what_its_readers_may_see(here: World, app: App) -> None:
    hidden = hidden_from(here, app)
    await app.settings.update(here.guild.id, gallery_channel_id=hidden.id, digest=True)
    await here.visitor.click(await drawn(here, count=1), label="Share")
    await app.gallery.vote(1, 1, here.guild.id, True)
    await app.settings.update(here.guild.id, gallery_channel_id=here.prompts.id)
    await app.digest.post_due()
    assert not cards(here, "best prompts of the week")


async def test_who_may_not_write_in_the_gallery_is_drawn_for_alone(here: World, app: App) -> None:
    readable = hidden_from(here, app, "gallery", send_messages=False)
    await app.settings.update(here.guild.id, gallery_channel_id=readable.id)
    await here.visitor.click(await drawn(here, "a castle", count=1), label="Share")
    (shared,) = readable.history()
    friend = friend_of(here)
    await trained(app, here, friend.id)
    said = await friend.click(shared, label="Try it on me")
    assert "You may not write in this channel" in text_of(said.response)
    await next_job(app, 2)
    (card,) = [one for one in friend.user.dm_channel.history() if one.attachments]
    form = await friend.user.click(card, label="Edit prompt")
    await friend.user.submit_modal(form, {"prompt": "my own words", "negative": ""})
    edited = await next_job(app, 3)
    assert DrawPayload.of(edited).private and len(readable.history()) == 1
    refused = await friend.slash(readable, "train")
    assert "You may not write in this channel" in text_of(refused.response)


async def test_who_only_reads_is_told_the_details_and_needs_no_direct_message(here: World, app: App) -> None:
    readable = hidden_from(here, app, "gallery", send_messages=False)
    await here.visitor.slash(readable, "imagine", prompt="a cat", seed=7, count=1)
    (card,) = await eventually(lambda: [one for one in readable.history() if "seed 7" in text_of(one)])
    here.env.inject_error("POST", "/users/@me/channels", status=503)
    told = await friend_of(here).click(card, label="Details")
    assert "Drawing 1" in text_of(told.response)


async def test_samples_ask_the_same_role_as_share(here: World, app: App) -> None:
    role = here.guild.create_role("sharers")
    await app.settings.update(here.guild.id, share_roles=(role.id,))
    friend = friend_of(here)
    await train(here, 4, by=friend, name="mojo")
    samples = await card_saying(here, "Meet mojo")
    assert samples.channel.id == here.studio.id and len(samples.attachments) == 4
    said = text_of(samples)
    assert "only from people with a role" in said and "Try it on me" not in said and "Report" in said
    assert await app.db.rows("SELECT * FROM shared") == []
