"""`/privacy` and Report, as people meet them."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import pytest
from simcord.actors import MemberActor

from bot.app import App
from bot.locales import has
from bot.sandbox import World
from bot.services.retention import Retention
from bot.ui.settings_forms import FORMS
from data.jobs import Job, JobKind
from data.personal import Personal
from tests.bot.face import card_saying, cards, eventually, text_of, train
from tests.fakes import ScriptedGpu


@pytest.fixture
def friend(here: World) -> MemberActor:
    return here.guild.add_member(here.env.create_user("friend"))


async def drawn(here: World, app: App, prompt: str = "a cat", count: int = 2) -> Job:
    await here.visitor.slash(here.studio, "imagine", prompt=prompt, count=count, seed=7)
    await eventually(lambda: [card for card in cards(here, prompt) if card.attachments])
    (job, *_) = await app.jobs.of_user(here.visitor.id)
    return job


async def test_it_shows_what_is_kept_and_hands_it_out(here: World, app: App) -> None:
    job = await drawn(here, app)
    shown = await here.visitor.slash(here.studio, "privacy")
    assert shown.ephemeral
    assert "**Pictures** 2" in text_of(shown.response)
    sent = await here.visitor.click(shown.response, label="Download")
    assert "zip files: 1" in text_of(sent.response)
    (message,) = sent.followups
    with zipfile.ZipFile(io.BytesIO(await message.attachments[0].read())) as archive:
        assert {"data.json", f"pictures/{job.id}/0.png"} <= set(archive.namelist())


async def test_every_kind_of_thing_that_is_kept_has_a_name(app: App) -> None:
    kinds = {table.name for table in await Personal(app.db).tables("user")} - {"jobs", "models"}
    assert [kind for kind in kinds if not has(f"kept.{kind}")] == []


async def test_everything_goes_on_the_second_press(here: World, app: App, gpu: ScriptedGpu) -> None:
    await train(here)
    await card_saying(here, "Meet abraza")
    await drawn(here, app, "as a king")
    gpu.gate.clear()
    await here.visitor.slash(here.studio, "imagine", prompt="as a queen")
    await card_saying(here, "Step 25 of 50")
    shown = await here.visitor.slash(here.studio, "privacy")
    asked = await here.visitor.click(shown.response, label="Delete everything")
    assert len(await app.jobs.of_user(here.visitor.id)) == 3, "the first press only asks"
    await here.visitor.click(asked.response, label="Delete for good")

    assert "Everything about you is gone" in text_of(asked.response)
    assert await app.jobs.of_user(here.visitor.id) == []
    assert list(app.files.models.iterdir()) == list(app.files.all_pictures.iterdir()) == []
    assert await eventually(lambda: not cards(here, "king") and not cards(here, "queen"))


async def test_photos_can_go_alone(here: World, app: App, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    await train(here)
    await card_saying(here, "loss 0.250")
    shown = await here.visitor.slash(here.studio, "privacy")
    asked = await here.visitor.click(shown.response, label="Delete my photos")
    await here.visitor.click(asked.response, label="Delete for good")
    assert "Trainings that held some: 1" in text_of(asked.response)
    await card_saying(here, "Stopped learning abraza")
    assert list(app.files.jobs.iterdir()) == []


async def test_photos_that_cannot_be_deleted_yet_are_not_said_to_be_gone(
    here: World, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await app.jobs.create(
        JobKind.train,
        payload="{}",
        user_id=here.visitor.id,
        guild_id=here.guild.id,
        channel_id=8,
        locale="en",
    )
    await app.jobs.cancel(job.id)
    app.files.job(job.id).mkdir()

    def breaks(_: Path, **__: object) -> None:
        raise OSError(5, "Input/output error")

    shown = await here.visitor.slash(here.studio, "privacy")
    asked = await here.visitor.click(shown.response, label="Delete my photos")
    with monkeypatch.context() as failing:
        failing.setattr(shutil, "rmtree", breaks)
        await here.visitor.click(asked.response, label="Delete for good")
    assert "I try again until they are gone" in text_of(asked.response)


async def test_a_message_that_discord_keeps_is_tried_again(here: World, app: App) -> None:
    await drawn(here, app)
    here.env.inject_error("DELETE", "/channels/*/messages/*", status=500, times=6)
    await app.privacy.erase_person(here.visitor.id)
    assert await app.db.rows("SELECT * FROM removals")
    await eventually(lambda: _swept(app, here))


async def _swept(app: App, here: World) -> bool:
    await app.janitor.remove_messages()
    return not cards(here, "a cat") and not await app.db.rows("SELECT * FROM removals")


async def test_a_server_that_keeps_pictures_for_a_time_says_so_and_so_do_those_that_expired(
    here: World, app: App
) -> None:
    job = await drawn(here, app)
    (card,) = cards(here, "a cat")
    panel = await here.visitor.slash(here.studio, "settings")
    await here.visitor.select(panel.response, ["safety"], custom_id="choose:section")
    assert "Kept for ever." in text_of(panel.response)
    form = await here.visitor.click(panel.response, custom_id=f"setting:{FORMS.index('kept')}:0")
    await here.visitor.submit_modal(form, {"picture_days": "7", "most_pictures": ""})
    assert "Removed after 7 days, unless they are shared." in text_of(panel.response)
    shown = await here.visitor.slash(here.studio, "privacy")
    assert "Removed after 7 days, unless they are shared." in text_of(shown.response)

    async with app.db.transaction() as tx:
        await tx.execute("UPDATE pictures SET created_at = created_at - 8 * 24 * 3600")
    await Retention(app.files, app.pictures, app.settings).expire()
    assert not app.files.pictures(job.id).exists()
    for button in ("Vary 1", "Share"):
        refused = await here.visitor.click(card, label=button)
        assert "That picture has expired" in text_of([refused.response, *refused.followups][-1])


async def test_an_erasing_that_broke_off_is_carried_through_by_the_janitor(here: World, app: App) -> None:
    await Personal(app.db).begin_erasing(here.visitor.id)
    app.janitor.wake()  # as it does by itself after a while

    async def done() -> bool:
        return await app.db.rows("SELECT * FROM erasures") == []

    assert await eventually(done)
