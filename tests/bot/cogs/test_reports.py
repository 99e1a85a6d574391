"""Report: to the moderators' log, decided with one press, told to whoever reported."""

from __future__ import annotations

import asyncio
from typing import Any

import discord
import pytest
from simcord.actors import MemberActor
from simcord.builders import ChannelHandle
from simcord.results import InteractionResult

from bot.app import App
from bot.sandbox import World
from bot.services.imagining import MEMBER
from bot.ui.buttons import CardButton
from bot.ui.look import Accent, card
from data.jobs import Job
from data.reports import Report
from tests.bot.face import cards, eventually, text_of


@pytest.fixture
def friend(here: World) -> MemberActor:
    return here.guild.add_member(here.env.create_user("friend"))


@pytest.fixture
async def job(here: World, app: App) -> Job:
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", count=2, seed=7)
    await eventually(lambda: [shown for shown in cards(here, "a cat") if shown.attachments])
    (job, *_) = await app.jobs.of_user(here.visitor.id)
    return job


@pytest.fixture
async def modlog(here: World, app: App) -> ChannelHandle:
    channel = here.guild.create_text_channel("modlog")
    await app.settings.update(here.guild.id, modlog_channel_id=channel.id)
    return channel


async def report(
    here: World, app: App, who: MemberActor, job: Job, which: int = 0, reason: str = "not *me*"
) -> InteractionResult:
    """Press Report on a card of one picture of a job and send the form."""
    row: discord.ui.ActionRow[discord.ui.LayoutView] = discord.ui.ActionRow(
        CardButton("report", job.id, which, label="Report")
    )
    channel = app.bot.get_partial_messageable(here.studio.id)
    public = await channel.send(view=card(Accent.done, "a shared card", row))
    form = await who.click(public, label="Report")
    if form.modal is None:
        return form
    asked = {"which": [str(which)]} if "which" in str(form.modal) else {}
    return await who.submit_modal(form, {"reason": reason, **asked})


async def test_a_report_reaches_the_log_and_remove_takes_the_picture_everywhere(
    here: World, app: App, job: Job, modlog: ChannelHandle, friend: MemberActor
) -> None:
    told = await report(here, app, friend, job, 1)
    assert "The moderators can see it now" in text_of(told.response)
    (shown,) = modlog.history()
    said = text_of(shown)
    assert r"not \*me\*" in said and "a cat" in said and f"<@{friend.id}>" in said
    assert len(shown.attachments) == 1

    refused = await friend.click(shown, label="Remove")
    assert "Only moderators" in text_of(refused.response)
    pictures = await app.pictures.of_job(job.id)
    await here.visitor.click(shown, label="Remove")
    assert [one.idx for one in await app.pictures.of_job(job.id)] == [0]
    assert not pictures[1].path.exists()
    left = [one for one in cards(here, "a cat") if one.id == job.message_id]
    assert [len(one.attachments) for one in left] == [1], "its card shows what is left"
    assert "removed the pictures" in text_of(modlog.history()[-1])
    again = await report(here, app, friend, job, 1)
    assert "not here any more" in text_of(again.response)


async def test_a_private_drawing_is_reported_from_its_direct_message(
    here: World, app: App, modlog: ChannelHandle
) -> None:
    me = here.visitor.user
    await here.visitor.slash(here.studio, "imagine", prompt="my secret", count=1, private=True)
    (card,) = await eventually(lambda: [one for one in me.dm_channel.history() if one.attachments])
    form = await me.click(card, label="Report")
    told = await me.submit_modal(form, {"reason": "not what I asked for"})
    assert "The moderators can see it now" in text_of(told.response)
    (shown,) = modlog.history()
    assert "my secret" in text_of(shown) and len(shown.attachments) == 1


async def test_the_last_picture_takes_its_card_along(
    here: World, app: App, job: Job, modlog: ChannelHandle, friend: MemberActor
) -> None:
    await report(here, app, friend, job, 9999)
    await here.visitor.click(modlog.history()[-1], label="Remove")
    assert await eventually(lambda: not cards(here, "seed 7"))


@pytest.mark.parametrize(("status", "pictures"), [(503, []), (400, [1])])
async def test_a_card_that_cant_show_what_is_left_goes_altogether(
    here: World,
    app: App,
    job: Job,
    modlog: ChannelHandle,
    friend: MemberActor,
    status: int,
    pictures: list[int],
) -> None:
    await report(here, app, friend, job, 1)
    place = f"/channels/{here.studio.id}/messages/{job.message_id}"
    here.env.inject_error("PATCH", place, status=status)
    said = await here.visitor.click(modlog.history()[-1], label="Remove")
    assert "removed the pictures" in text_of(said.response or modlog.history()[-1])

    def left() -> bool:
        return [len(one.attachments) for one in cards(here, "seed 7")] == pictures

    assert await eventually(left), "the old one would still show the picture"


async def test_of_two_moderators_at_once_one_decides(
    app: App, job: Job, here: World, modlog: ChannelHandle, friend: MemberActor
) -> None:
    await report(here, app, friend, job, 0)
    ends = await asyncio.gather(
        *(decide(1) for decide in (app.reporting.dismiss, app.reporting.remove, app.reporting.dismiss)),
        return_exceptions=True,
    )
    assert [str(end) for end in ends if isinstance(end, Exception)] == 2 * ["decided_already"]
    assert len(await app.pictures.of_job(job.id)) == 2, "the first one left it"


async def test_a_report_is_shown_again_where_its_card_was_deleted(
    here: World, app: App, job: Job, modlog: ChannelHandle, friend: MemberActor
) -> None:
    await report(here, app, friend, job, 0)
    await modlog.history()[-1].delete()
    other = here.guild.add_member(here.env.create_user("other"))
    told = await report(here, app, other, job, 0, "mine neither")
    assert "The moderators can see it now" in text_of(told.response)
    (shown,) = modlog.history()
    assert "Reported by 2" in text_of(shown) and len(shown.attachments) == 1
    third = here.guild.add_member(here.env.create_user("third"))
    await report(here, app, third, job, 0)
    assert ["Reported by 3" in text_of(one) for one in modlog.history()] == [True]


async def test_several_reports_of_a_picture_are_one_card(
    here: World, app: App, job: Job, modlog: ChannelHandle, friend: MemberActor
) -> None:
    other = here.guild.add_member(here.env.create_user("other"))
    await report(here, app, friend, job, 0)
    await report(here, app, other, job, 0, "mine neither")
    assert "reported this picture already" in text_of((await report(here, app, friend, job, 0)).response)
    (shown,) = modlog.history()
    assert "Reported by 2" in text_of(shown) and "mine neither" in text_of(shown)
    await here.visitor.click(shown, label="Dismiss")
    assert len(await app.pictures.of_job(job.id)) == 2
    rows = await app.db.rows("SELECT state FROM reports")
    assert [row["state"] for row in rows] == ["dismissed", "dismissed"]


async def test_a_report_that_was_decided_before_it_could_be_shown_is_no_defect(
    here: World,
    app: App,
    job: Job,
    modlog: ChannelHandle,
    friend: MemberActor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = app.reporting.file

    async def filed(*args: Any, **kwargs: Any) -> Report:
        kept = await file(*args, **kwargs)
        await app.reporting.dismiss(kept.id)
        return kept

    monkeypatch.setattr(app.reporting, "file", filed)
    told = await report(here, app, friend, job, 0)
    assert "I have written it down" in text_of(told.response)
    assert modlog.history() == []


async def test_without_a_log_the_owner_hears_of_it(
    here: World, app: App, job: Job, friend: MemberActor
) -> None:
    told = await report(here, app, friend, job, 0)
    assert "The moderators can see it now" in text_of(told.response)
    (row,) = await app.db.rows("SELECT channel_id FROM reports")
    assert row["channel_id"] not in (here.studio.id, here.prompts.id), "a private message"


async def test_a_report_that_nobody_can_be_shown_is_kept(
    here: World, app: App, job: Job, friend: MemberActor
) -> None:
    here.env.inject_error("POST", "/users/@me/channels", status=403, code=50007, times=None)
    told = await report(here, app, friend, job, 0)
    assert "I have written it down" in text_of(told.response)
    assert len(await app.db.rows("SELECT * FROM reports WHERE state = 'open'")) == 1


async def test_of_a_private_drawing_others_report_only_what_was_shared(
    here: World, app: App, modlog: ChannelHandle, friend: MemberActor
) -> None:
    await here.visitor.slash(here.studio, "imagine", prompt="my cat", count=2, seed=7, private=True)
    inbox = here.visitor.user.dm_channel
    (card,) = await eventually(lambda: [one for one in inbox.history() if one.attachments])
    (job,) = await app.jobs.of_user(here.visitor.id)
    unknown = await report(here, app, friend, job)
    assert "not here any more" in text_of(unknown.response)
    await app.gallery.share(job.id, 1, here.visitor.id, MEMBER, age_restricted=False)
    for which in (0, 9999):
        assert "not here any more" in text_of((await report(here, app, friend, job, which)).response)
    assert modlog.history() == []
    told = await report(here, app, friend, job, 1)
    assert "The moderators can see it now" in text_of(told.response)
    assert [len(one.attachments) for one in modlog.history()] == [1]
    form = await here.visitor.user.click(card, label="Report")
    mine = await here.visitor.user.submit_modal(form, {"reason": "look at this", "which": ["9999"]})
    assert "The moderators can see it now" in text_of(mine.response)
    assert len(modlog.history()[-1].attachments) == 2
