"""`/queue` and `/cancel`: private answers about what waits, and the admins' levers."""

from __future__ import annotations

from typing import Any

import discord
from discord import ui

from bot.app import App
from bot.locales import LANGUAGES
from bot.sandbox import World
from bot.ui.buttons import CardButton
from bot.ui.look import Accent, card
from bot.ui.queue_card import Gates, Line, Viewer, queue_card
from bot.ui.selects import CardSelect
from data.jobs import JobKind, Lane, Origin
from data.settings import GuildSettings
from tests.bot.face import card_saying, eventually, text_of
from tests.fakes import ScriptedGpu

FULL = '{"prompt": "a cat", "seed": 1, "base": "mini"}'
LEVERS = [("queuedraw", 0), ("queuetrain", 1)]


async def test_the_queue_keeps_other_servers_people_private(here: World, app: App, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", seed=1)
    elsewhere = Origin(user_id=4242, guild_id=99, channel_id=98, locale="en")
    await app.imagining.submit("their secret", **elsewhere)

    said = text_of((await here.visitor.slash(here.studio, "queue")).response)

    assert "Drawing 2 for another server" in said
    assert "4242" not in said and "secret" not in said


async def test_the_queue_shows_places_but_not_other_peoples_prompts(here: World, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    friend = here.guild.add_member(here.env.create_user("friend"))
    await friend.slash(here.studio, "imagine", prompt="my secret garden", seed=1)
    await card_saying(here, "Step 25 of 50")
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", seed=2)

    said = text_of((await here.visitor.slash(here.studio, "queue")).response)
    assert f"Drawing 1 for <@{friend.id}> · 50%" in said
    assert "`1` **Drawing 2: a cat**" in said
    assert "secret" not in said


async def test_cancel_stops_the_only_job_or_asks_which(here: World, app: App, gpu: ScriptedGpu) -> None:
    nothing = await here.visitor.slash(here.studio, "cancel")
    assert "Nothing of yours" in text_of(nothing.response)
    gpu.gate.clear()
    await here.visitor.slash(here.studio, "imagine", prompt="a cat")
    await here.visitor.slash(here.studio, "imagine", prompt="a dog")

    asked = await here.visitor.slash(here.studio, "cancel")
    assert "Drawing 1: a cat" in text_of(asked.response)
    await here.visitor.click(asked.response, custom_id="cancel:2:0")
    (choice,) = await here.visitor.autocomplete(here.studio, "cancel", "job", "cat")
    stopped = await here.visitor.slash(here.studio, "cancel", job=choice["value"])
    assert "Stopped. Drawing 1: a cat" in text_of(stopped.response)
    late = await here.visitor.slash(here.studio, "cancel", job=1)
    assert "had ended already" in text_of(late.response)
    assert await eventually(lambda: _all_ended(app, here))


async def test_cancel_knows_nothing_of_other_jobs(here: World, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    await here.visitor.slash(here.studio, "imagine", prompt="a cat")
    stranger = here.guild.add_member(here.env.create_user("stranger"))

    assert "belongs to somebody else" in text_of(
        (await stranger.slash(here.studio, "cancel", job=1)).response
    )
    assert "not here any more" in text_of((await stranger.slash(here.studio, "cancel", job=99)).response)


async def test_admins_move_pause_and_drain(here: World, app: App, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    friend = here.guild.add_member(here.env.create_user("friend"))
    for number in range(3):
        await friend.slash(here.studio, "imagine", prompt=f"cat {number}", seed=1)
    await card_saying(here, "Step 25 of 50")
    shown = await here.visitor.slash(here.studio, "queue")
    assert f"`2` Drawing 3 for <@{friend.id}>" in text_of(shown.response)

    await here.visitor.select(shown.response, ["3"], custom_id="choose:front")
    assert [job.id for job in await app.jobs.queued(JobKind.draw)] == [3, 2]
    await here.visitor.click(shown.response, label="Pause drawings")
    assert "An admin paused drawings on this server" in text_of(shown.response)
    gpu.gate.set()
    assert await eventually(lambda: _ended(app, 1))
    assert len(await app.jobs.queued(JobKind.draw)) == 2, "what is paused does not start"
    await here.visitor.click(shown.response, label="Drain drawings")
    refused = await friend.slash(here.studio, "queue")
    assert "No new drawings on this server" in text_of(refused.response)
    assert "Pause" not in text_of(refused.response)
    assert await eventually(lambda: _all_ended(app, here, friend.id)), "what is drained is finished"


async def test_members_cannot_pull_the_levers(here: World, app: App, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", seed=1)
    member = here.guild.add_member(here.env.create_user("member"))
    channel = app.bot.get_partial_messageable(here.studio.id)
    buttons = [CardButton(verb, number, 1, label=verb) for verb, number in LEVERS]
    row: ui.ActionRow[ui.LayoutView] = ui.ActionRow(*buttons)
    menu = CardSelect("front", [discord.SelectOption(label="a job", value="1")])
    public = await channel.send(view=card(Accent.waiting, "levers", row, ui.ActionRow[Any](menu)))
    for touch in (
        member.click(public, label="queuedraw"),
        member.select(public, ["1"], custom_id="choose:front"),
    ):
        assert "Only people who manage this server" in text_of((await touch).response)
    installation = await here.visitor.click(public, label="queuetrain")
    assert "Only the owner of this bot" in text_of(installation.response)


async def test_the_fullest_card_fits(app: App) -> None:
    jobs = [
        await app.jobs.create(JobKind.draw, payload=FULL, user_id=1, guild_id=2, channel_id=3, locale="en")
        for _ in range(40)
    ]
    waits = {job.id: 3600.0 for job in jobs}
    lines = [Line(JobKind.draw, lane, jobs[:3], jobs, waits) for lane in (Lane.gpu, Lane.gpu, Lane.endpoint)]
    paused = GuildSettings(queue_draw="paused")
    for locale in LANGUAGES:
        view = queue_card(Viewer(locale, 4, 2, admin=True, owner=True), lines, Gates(paused, paused))
        assert view.total_children_count <= 40 and view.content_length() <= 4000


async def _all_ended(app: App, here: World, user_id: int | None = None) -> bool:
    return all(job.state.ended for job in await app.jobs.of_user(user_id or here.visitor.id))


async def _ended(app: App, job_id: int) -> bool:
    job = await app.jobs.get(job_id)
    return job is not None and job.state.ended
