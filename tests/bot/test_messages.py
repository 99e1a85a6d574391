"""Cards on a Discord that is slow, loses answers and cuts connections: each is posted once, none is lost."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import discord
import pytest

from bot.app import App
from bot.cards import post_card
from bot.config import Config
from bot.messenger import Place
from bot.sandbox import World
from bot.selfies import selfies
from bot.services.wish import Wish
from bot.ui.look import Accent, note
from data.jobs import Job, Origin
from tests.bot.face import card_saying, cards, eventually, text_of
from tests.fakes import ScriptedGpu
from tests.standin.faults import Fault
from tests.standin.inside import connected
from tests.standin.server import StandIn, stand_in

POST = ("POST", "/channels/*/messages")
EDIT = ("PATCH", "/channels/*/messages/*")
ACKNOWLEDGE = ("POST", "/interactions/*/*/callback")


@pytest.fixture
def gpu() -> ScriptedGpu:
    """Its drawings wait in their middle."""
    gpu = ScriptedGpu()
    gpu.gate.clear()
    return gpu


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(_env_file=None, home=tmp_path)


@pytest.fixture
async def there(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[StandIn, None]:
    monkeypatch.setattr("bot.messenger.RETRY_SECONDS", 0.01)
    monkeypatch.setattr("bot.cards.POST_AGAIN_SECONDS", 0.01)
    async with stand_in(scale=0.02) as there:
        yield there
        assert there.rest.breaches == []


@asynccontextmanager
async def running(config: Config, gpu: ScriptedGpu, there: StandIn) -> AsyncGenerator[App, None]:
    app = App(config, gpu=gpu)
    async with connected(app, there):
        yield app


@pytest.fixture
async def app(there: StandIn, config: Config, gpu: ScriptedGpu) -> AsyncGenerator[App, None]:
    async with running(config, gpu, there) as app:
        yield app


@pytest.fixture
def here(app: App, there: StandIn) -> World:
    return there.world


async def drawn(here: World, prompt: str = "a cat") -> bool:
    return any(card.attachments for card in cards(here, prompt))


async def only_job(app: App, here: World) -> Job:
    (job,) = await app.jobs.of_user(here.visitor.id)
    return job


async def test_a_card_whose_answer_was_lost_is_not_posted_twice(
    here: World, app: App, there: StandIn, gpu: ScriptedGpu
) -> None:
    lost = there.rest.faults.add(Fault(*POST, done=True))
    await here.visitor.slash(here.studio, "imagine", prompt="a cat")
    card = await card_saying(here, "Step 25 of 50")
    gpu.gate.set()
    await eventually(lambda: told(app, 1))
    assert lost.met == 1 and [one.id for one in here.studio.history()] == [card.id]
    assert (await only_job(app, here)).message_id == card.id


async def test_a_kill_between_discords_answer_and_the_database_doubles_no_card(
    there: StandIn, config: Config, gpu: ScriptedGpu
) -> None:
    here = there.world
    async with running(config, gpu, there) as app:
        await here.visitor.slash(here.studio, "imagine", prompt="a cat")
        card = await card_saying(here, "Step 25 of 50")
    with closing(sqlite3.connect(app.files.database)) as db, db:
        db.execute("UPDATE jobs SET message_id = NULL")
    async with running(config, ScriptedGpu(), there) as again:
        assert await eventually(lambda: told(again, 1))
        assert await drawn(here) and [one.id for one in here.studio.history()] == [card.id]
        assert (await only_job(again, here)).message_id == card.id


async def test_samples_that_were_posted_before_a_kill_are_not_posted_again(
    there: StandIn, config: Config, gpu: ScriptedGpu
) -> None:
    here = there.world
    gpu.gate.set()
    async with running(config, gpu, there) as app:
        job = await train_here(app, here)
        samples = await card_saying(here, "Meet abraza")
    with closing(sqlite3.connect(app.files.database)) as db, db:
        db.execute("UPDATE jobs SET announced = 0")
        db.execute("UPDATE shared SET message_id = NULL")
    async with running(config, gpu, there) as again:
        assert await eventually(lambda: told(again, job.id))
        assert [one.id for one in cards(here, "Meet abraza")] == [samples.id]
        (shared,) = await again.gallery.of_job(job.id)
        assert shared.message_id == samples.id


async def test_the_end_waits_for_a_first_card_that_is_under_way_and_edits_it(
    here: World, app: App, there: StandIn, gpu: ScriptedGpu
) -> None:
    slow = there.rest.faults.add(Fault(*POST, done=True, gate=asyncio.Event()))
    await here.visitor.slash(here.studio, "imagine", prompt="a cat")
    await eventually(lambda: slow.met)
    gpu.gate.set()
    await eventually(lambda: ended(app, here))
    assert here.studio.history() == []
    assert slow.gate is not None
    slow.gate.set()
    await eventually(lambda: drawn(here))
    assert len(here.studio.history()) == 1


@pytest.mark.parametrize("how", ["erase", "delete"])
async def test_a_card_that_is_under_way_when_its_job_goes_is_removed_once_it_arrives(
    here: World, app: App, there: StandIn, gpu: ScriptedGpu, how: str
) -> None:
    slow = there.rest.faults.add(Fault(*POST, done=True, gate=asyncio.Event()))
    await here.visitor.slash(here.studio, "imagine", prompt="a cat")
    await eventually(lambda: slow.met)
    gpu.gate.set()
    job = await eventually(lambda: ended(app, here))
    if how == "erase":
        await app.privacy.erase_person(here.visitor.id)
    else:
        await app.imagining.delete(job.id)
    assert slow.gate is not None
    slow.gate.set()
    removed = f"/channels/{here.studio.id}/messages/"
    await eventually(
        lambda: [one for one in there.rest.calls if one.method == "DELETE" and one.path.startswith(removed)]
    )
    await eventually(lambda: nothing_left_to_remove(app))
    assert here.studio.history() == []


async def test_an_acknowledgement_that_did_not_arrive_is_repeated_and_the_command_goes_on(
    here: World, app: App, there: StandIn
) -> None:
    cut = there.rest.faults.add(Fault(*ACKNOWLEDGE))
    await here.visitor.slash(here.studio, "imagine", prompt="a cat")
    await card_saying(here, "Step 25 of 50")
    assert cut.met == 1


@pytest.mark.parametrize(("status", "times"), [(None, 2), (503, 1), (404, 1), (400, 1)])
async def test_a_drawing_whose_card_discord_does_not_take_is_in_the_queue_and_shown_in_the_end(
    here: World, app: App, there: StandIn, gpu: ScriptedGpu, status: int | None, times: int
) -> None:
    there.rest.faults.add(Fault(*POST, status, times=times))
    told = await here.visitor.slash(here.studio, "imagine", prompt="a cat")
    await eventually(lambda: told.response and "is in the queue" in text_of(told.response))
    gpu.gate.set()
    await eventually(lambda: drawn(here))
    assert len(here.studio.history()) == 1


async def test_a_first_card_that_discord_could_not_take_comes_before_the_end(
    here: World, app: App, there: StandIn
) -> None:
    there.rest.faults.add(Fault(*POST, 503, times=3))
    await here.visitor.slash(here.studio, "imagine", prompt="a cat")
    await card_saying(here, "Step 25 of 50")
    assert len(here.studio.history()) == 1


async def test_in_a_crowd_a_card_keeps_its_place_but_says_that_the_queue_is_paused(
    here: World, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3, 4):
        await here.visitor.slash(here.studio, "imagine", prompt=f"cat {number}")
        await eventually(lambda number=number: cards(here, f"cat {number}"))
    await card_saying(here, "Place **3**")

    async def look(crowd: int) -> str:
        monkeypatch.setattr("bot.cards._CROWD", crowd)
        job = await app.jobs.get(4)
        assert job is not None
        await app.cards.job_changed(job)
        (card,) = cards(here, "cat 4")
        return text_of(card)

    async def paused() -> bool:
        return "Place" not in await look(2)

    async def in_front() -> bool:
        return "Next in line" in await look(10)

    monkeypatch.setattr("bot.cards._CROWD", 2)
    await app.jobs.move_to_front(4)
    assert "Place **3**" in await look(2)
    await app.settings.update(here.guild.id, queue_draw="paused")
    await eventually(paused)
    await app.settings.update(here.guild.id, queue_draw="open")
    await eventually(in_front)


async def test_an_archived_thread_is_tried_once_and_the_end_is_told_anew(
    here: World, app: App, there: StandIn, gpu: ScriptedGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.cards.EDIT_SECONDS", 0)
    await here.visitor.slash(here.studio, "imagine", prompt="a cat")
    before = await card_saying(here, "Step 25 of 50")
    archived = there.rest.faults.add(Fault(*EDIT, 400, code=50083, times=9))
    for step in (30, 35, 40):
        job = await app.jobs.progress(1, phase="draw", step=step, steps=50)
        assert job is not None
        await app.cards.job_changed(job)
    gpu.gate.set()
    await eventually(lambda: told(app, 1))
    assert archived.met == 1
    await eventually(lambda: nothing_left_to_remove(app))
    (shown,) = here.studio.history()
    assert shown.attachments and shown.id != before.id, "of the old card nothing is left to press"
    assert (await only_job(app, here)).message_id == shown.id


async def test_a_message_in_an_archived_thread_is_removed_all_the_same(
    here: World, app: App, there: StandIn
) -> None:
    made = await app.bot.http.start_thread_without_message(
        here.studio.id, name="cats", type=discord.ChannelType.public_thread.value, auto_archive_duration=60
    )
    (thread,) = here.studio.threads
    message = await app.bot.get_partial_messageable(thread.id).send(view=note("a cat", Accent.done))
    there.rest.faults.add(Fault("DELETE", "/channels/*/messages/*", 400, code=50083))
    await app.janitor.take_down(Place(thread.id, message.id))
    await eventually(lambda: nothing_left_to_remove(app))
    assert thread.history() == []
    assert ("PATCH", f"/channels/{made['id']}") in [(call.method, call.path) for call in there.rest.calls]


async def test_a_card_that_may_not_be_posted_is_not_tried_with_every_step(
    there: StandIn, config: Config, gpu: ScriptedGpu
) -> None:
    async with running(config, gpu, there) as app:
        await there.world.visitor.slash(there.world.studio, "imagine", prompt="a cat")
        await card_saying(there.world, "Step 25 of 50")
    with closing(sqlite3.connect(app.files.database)) as db, db:
        db.execute("UPDATE jobs SET message_id = NULL")
    there.rest.nonces.forget()
    forbidden = there.rest.faults.add(Fault(*POST, 403, code=50013, times=9))
    gpu.gate.clear()  # closing let the drawing go on
    async with running(config, gpu, there) as again:
        await eventually(lambda: forbidden.met)
        for step in (30, 35, 40):
            job = await again.jobs.progress(1, phase="draw", step=step, steps=50)
            assert job is not None
            await again.cards.job_changed(job)
        assert forbidden.met == 1


async def test_where_a_lost_post_stands_is_known_though_it_can_not_be_brought_up_to_date(
    there: StandIn, config: Config, gpu: ScriptedGpu
) -> None:
    here = there.world
    async with running(config, gpu, there) as app:
        await here.visitor.slash(here.studio, "imagine", prompt="a cat")
        card = await card_saying(here, "Step 25 of 50")
    with closing(sqlite3.connect(app.files.database)) as db, db:
        db.execute("UPDATE jobs SET message_id = NULL")
    there.rest.faults.add(Fault(*EDIT, times=9))
    async with running(config, ScriptedGpu(), there) as again:
        await eventually(lambda: placed(again, card.id))


async def test_an_answer_that_can_not_be_taken_away_is_no_reason_to_ask_again(
    here: World, app: App, there: StandIn, gpu: ScriptedGpu
) -> None:
    refused = there.rest.faults.add(Fault("DELETE", "/webhooks/*/*/messages/*", 403))
    gpu.gate.set()
    await here.visitor.slash(here.studio, "imagine", prompt="a cat")
    await eventually(lambda: refused.met and drawn(here))
    assert not [call for call in there.rest.calls if call.method == "PATCH" and "/webhooks/" in call.path]


async def test_a_deleted_channel_is_said_once_and_not_tried_again(
    here: World, app: App, there: StandIn, gpu: ScriptedGpu, caplog: pytest.LogCaptureFixture
) -> None:
    for prompt in ("a cat", "a dog"):
        await here.visitor.slash(here.studio, "imagine", prompt=prompt)
        await eventually(lambda prompt=prompt: cards(here, prompt))
    await app.bot.http.delete_channel(here.studio.id)
    gpu.gate.set()
    await eventually(lambda: both_told(app))
    assert caplog.text.count("is not there any more") == 1
    tried = [call for call in there.rest.calls if f"/channels/{here.studio.id}/" in call.path]
    assert [call.status for call in tried].count(404) <= 2, "two edits may have been under way at once"


async def ended(app: App, here: World) -> Job | None:
    return next((job for job in await app.jobs.of_user(here.visitor.id) if job.state.ended), None)


async def both_told(app: App) -> bool:
    return not await app.jobs.unannounced() and await told(app, 2)


async def nothing_left_to_remove(app: App) -> bool:
    return not await app.removals.all()


async def placed(app: App, message_id: int) -> bool:
    job = await app.jobs.get(1)
    return job is not None and job.message_id == message_id


async def told(app: App, job_id: int) -> bool:
    job = await app.jobs.get(job_id)
    return job is not None and job.announced


async def train_here(app: App, here: World) -> Job:
    """A training of the toy selfies that was started and has a card."""
    origin = Origin(user_id=here.visitor.id, guild_id=here.guild.id, channel_id=here.studio.id, locale="en")
    draft = await app.drafting.draft(selfies(), Wish(name="abraza"), consent=True, **origin)
    job = await app.training.start(draft.id, here.visitor.id)
    await post_card(app, job, here.studio.id)
    return job
