"""`/models`: what I may draw with, and what only its owner may do."""

from __future__ import annotations

import pytest
from discord import ui
from simcord.actors import MemberActor
from simcord.results import InteractionResult

from bot.app import App
from bot.sandbox import World
from bot.ui.buttons import CardButton
from bot.ui.look import Accent, card
from data.jobs import JobKind, Origin
from data.models import Model
from tests.bot.face import card_saying, parts_of, text_of, train
from tests.fakes import ScriptedGpu


@pytest.fixture
async def model(here: World, app: App) -> Model:
    await train(here)
    await card_saying(here, "Meet abraza")
    (model,) = await app.models.of_user(here.visitor.id, here.guild.id)
    return model


@pytest.fixture
def friend(here: World) -> MemberActor:
    return here.guild.add_member(here.env.create_user("friend"))


async def opened(here: World) -> InteractionResult:
    """The visitor's own model, opened from the list."""
    listed = await here.visitor.slash(here.studio, "models")
    assert listed.ephemeral
    await here.visitor.click(listed.response, label="Open")
    return listed


async def test_without_any_model_the_way_to_one_is_told(here: World) -> None:
    assert "`/train` makes one" in text_of((await here.visitor.slash(here.studio, "models")).response)


async def test_the_list_shows_a_picture_size_recipe_and_uses(here: World, model: Model) -> None:
    listed = await here.visitor.slash(here.studio, "models")
    said = text_of(listed.response)
    assert "**abraza** · person · private" in said
    assert "3 photos" in said and "all weights" in said and "drawings made with it: 0" in said
    thumbnails = [part for part in parts_of(listed.response) if part.get("media")]
    assert [part["description"] for part in thumbnails] == ["Sample 1 of the model abraza (person)"]


async def test_its_owner_renames_and_prefers_it(here: World, app: App, model: Model) -> None:
    shown = await opened(here)
    form = await here.visitor.click(shown.response, label="Rename")
    await here.visitor.submit_modal(form, {"title": "  Me,\nmyself  *and* I "})
    assert r"Me, myself \*and\* I" in text_of(shown.response)
    await here.visitor.click(shown.response, label="Make it my favourite")
    assert "your favourite" in text_of(shown.response)
    kept = await app.models.get(model.id)
    assert kept is not None and (kept.title, kept.is_default) == ("Me, myself *and* I", True)


async def test_it_is_shared_and_taken_back(here: World, app: App, model: Model, friend: MemberActor) -> None:
    assert "none for you" in text_of((await friend.slash(here.studio, "models")).response)
    shown = await opened(here)
    await here.visitor.click(shown.response, label="Share with this server")
    listed = await friend.slash(here.studio, "models")
    assert f"shared by <@{here.visitor.id}>" in text_of(listed.response)
    await friend.click(listed.response, label="Look")
    assert "Delete" not in text_of(listed.response)
    await here.visitor.click(shown.response, label="Keep private")
    gone = await friend.slash(here.studio, "models")
    assert "none for you" in text_of(gone.response)


async def test_who_may_not_share_is_told(here: World, app: App, friend: MemberActor) -> None:
    role = here.guild.create_role("sharers")
    await app.settings.update(here.guild.id, share_roles=(role.id,))
    mine = await _model(app, friend.id, here.guild.id)
    listed = await friend.slash(here.studio, "models")
    await friend.click(listed.response, label="Open")
    refused = await friend.click(listed.response, label="Share with this server")
    assert f"<@&{role.id}>" in text_of(refused.followups[-1])
    kept = await app.models.get(mine.id)
    assert kept is not None and not kept.shared


async def test_deleting_asks_and_stops_drawings_with_it(
    here: World, app: App, model: Model, gpu: ScriptedGpu
) -> None:
    gpu.gate.clear()
    await here.visitor.slash(here.studio, "imagine", prompt="me as a king")
    await card_saying(here, "Step 25 of 50")
    shown = await opened(here)
    asked = await here.visitor.click(shown.response, label="Delete")
    said = text_of(asked.response)
    assert "Delete **abraza** for good?" in said and "to be stopped: 1" in said
    await here.visitor.click(asked.response, label="Delete for good")
    assert "**abraza** is gone" in text_of(asked.response)
    assert await app.models.get(model.id) is None and not model.path.exists()
    await card_saying(here, "Stopped before it was done")
    late = await here.visitor.click(shown.response, label="Rename")
    assert "not here any more" in text_of(late.response)


async def test_other_peoples_models_stay_theirs(
    here: World, app: App, model: Model, friend: MemberActor
) -> None:
    row: ui.ActionRow[ui.LayoutView] = ui.ActionRow(
        *[
            CardButton(verb, model.id, 1, label=verb)
            for verb in ("prefer", "renamemodel", "sharemodel", "forget")
        ]
    )
    channel = app.bot.get_partial_messageable(here.studio.id)
    public = await channel.send(view=card(Accent.waiting, "an old card", row))
    for verb in ("prefer", "renamemodel", "sharemodel", "forget"):
        refused = await friend.click(public, label=verb)
        said = [text_of(message) for message in (refused.response, *refused.followups)]
        assert "not yours, or not here any more" in said[-1]
    kept = await app.models.get(model.id)
    assert kept is not None and not kept.shared and not kept.is_default


async def test_many_models_come_in_pages(here: World, app: App) -> None:
    for _ in range(9):
        await _model(app, here.visitor.id, here.guild.id)
    listed = await here.visitor.slash(here.studio, "models")
    assert len(list(parts_of(listed.response))) <= 40
    assert "2/3 ▶" in text_of(listed.response)
    await here.visitor.click(listed.response, label="2/3 ▶")
    assert "◀ 1/3" in text_of(listed.response) and "(model 5)" not in text_of(listed.response)


async def _model(app: App, owner: int, guild: int) -> Model:
    origin = Origin(user_id=owner, guild_id=guild, channel_id=1, locale="en")
    job = await app.jobs.create(JobKind.train, payload="{}", **origin)
    await app.jobs.cancel(job.id)
    return await app.models.create(
        owner_id=owner,
        guild_id=guild,
        name=f"abraza{job.id}",
        class_name="person",
        base="mini",
        photos=6,
        steps=300,
        job_id=job.id,
    )
