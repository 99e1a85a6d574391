"""Forms outlive the process that opened them, and what was filled in is never lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.app import App
from bot.sandbox import World
from inference.bases import MINI
from tests.bases import hub_of_bases, repository
from tests.bot.cogs.test_restart import restarted
from tests.bot.face import card_saying, photos, prepare, text_of
from tests.fakes import ScriptedGpu
from trainer.spec import TrainSpec


async def test_forms_that_were_opened_before_a_restart_are_answered(
    here: World, app: App, gpu: ScriptedGpu
) -> None:
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", seed=7)
    card = await card_saying(here, "seed 7")
    edit = await here.visitor.click(card, label="Edit prompt")
    report = await here.visitor.click(card, label="Report")
    options = {"steps": 77, "method": "lora", "sample_prompt": "me at sea"}
    train = await here.visitor.slash(here.studio, "train", **options)
    message = await here.visitor.send(here.studio, "that is me", attachments=photos(4))
    of_message = await here.visitor.context_menu(here.studio, "Train on these photos", message)
    panel = await here.visitor.slash(here.studio, "settings")
    await here.visitor.select(panel.response, ["training"], custom_id="choose:section")
    setting = await here.visitor.click(panel.response, custom_id="setting:1:0")
    assert not app.bot._connection._view_store._modals, "nobody holds a form that may never be sent"

    after = await restarted(here, app, gpu)
    try:
        await here.visitor.submit_modal(edit, {"prompt": "a cat with a hat", "negative": ""})
        await card_saying(here, "a cat with a hat")
        thanks = await here.visitor.submit_modal(report, {"reason": "not nice", "which": ["9999"]})
        assert "Thank you" in text_of(thanks.response)
        await here.visitor.submit_modal(setting, {"max_steps": "900", "default_steps": ""})
        assert (await after.settings.get(here.guild.id)).max_steps == 900
        values = {"name": "mojo", "class": ["dog"], "consent": True}
        sheet = await here.visitor.submit_modal(train, values | {"photos": photos(3)})
        assert "**3 photos** · 77 steps · LoRA" in text_of(sheet.response)
        sheet = await here.visitor.submit_modal(of_message, values)
        assert "**4 photos**" in text_of(sheet.response)
    finally:
        await after.close()


async def test_a_form_of_another_version_says_what_to_do(here: World, app: App) -> None:
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", seed=7)
    for other in ("8a2f0c" * 5, "form:vanished:1:0", "form:edit:1:0:7"):
        form = await here.visitor.click(await card_saying(here, "seed 7"), label="Edit prompt")
        assert form.modal is not None
        form._interaction.modal = form.modal | {"custom_id": other}
        answer = await here.visitor.submit_modal(form, {"prompt": "a dog", "negative": ""})
        assert answer.ephemeral and "Please open it again" in text_of(answer.response), other


async def test_without_the_tick_nothing_is_lost_and_one_press_goes_on(
    here: World, app: App, gpu: ScriptedGpu
) -> None:
    form = await here.visitor.slash(here.studio, "train", steps=77)
    values = {"name": "abraza", "class": ["dog"], "photos": photos(4), "consent": False}
    waiting = (await here.visitor.submit_modal(form, values)).response
    assert waiting is not None and "Photos that I keep for you: 4." in text_of(waiting)
    after = await restarted(here, app, gpu)
    try:
        await here.visitor.click(waiting, label="I agree")
        assert "Shall I learn abraza (dog)?" in text_of(waiting)
        assert "**4 photos** · 77 steps" in text_of(waiting)
        await here.visitor.click(waiting, label="Start")
        await card_saying(here, "Meet abraza (dog)")
        (job,) = await after.jobs.of_user(here.visitor.id)
        assert job.consent_at and TrainSpec.model_validate_json(job.payload).recipe.steps == 77
    finally:
        await after.close()


async def test_too_few_photos_are_added_to_and_a_bad_name_is_changed(here: World, app: App) -> None:
    waiting = (await prepare(here, 2, name="two words")).response
    assert waiting is not None and "2 to 16 letters and digits" in text_of(waiting)
    form = await here.visitor.click(waiting, label="Open the form again")
    assert "Photos so far: 2" in str(form.modal)
    values = {"name": "abraza", "class": ["person"], "consent": True}
    await here.visitor.submit_modal(form, values)
    assert "at least 3 usable photos and found 2" in text_of(waiting)

    form = await here.visitor.click(waiting, label="Add photos")
    await here.visitor.submit_modal(form, values | {"more_photos": photos(3)[2:]})
    assert "**3 photos**" in text_of(waiting)
    await here.visitor.click(waiting, label="Start")
    await card_saying(here, "Meet abraza (person)")
    assert [*app.files.drafts.iterdir()] == []


async def test_an_option_that_does_not_fit_costs_no_photos(here: World, app: App) -> None:
    waiting = (await prepare(here, 3, steps=9000)).response
    assert waiting is not None
    said = text_of(waiting)
    assert "at most 4000 steps" in said and "Photos that I keep for you: 3." in said
    assert "Open the form again" not in said, "it asks for no steps"
    await here.visitor.click(waiting, label="Use the default")
    assert "**3 photos**" in text_of(waiting) and "9000" not in text_of(waiting)


async def test_a_base_that_can_not_be_had_now_is_tried_again_or_done_without(
    here: World, app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await app.settings.update(here.guild.id, bases=("ann/base",))
    with hub_of_bases(monkeypatch, tmp_path / "cache") as hub:
        hub.repos["ann/base"] = repository(MINI)
        hub.statuses["GET /api/models/"] = 503
        waiting = (await prepare(here, 3, base="ann/base")).response
        assert waiting is not None
        await here.visitor.click(waiting, label="Try again")
        said = text_of(waiting).splitlines()
        assert "Hugging Face can't be reached" in said[1] and "Photos that I keep for you: 3." in said[2]
        assert said[3:] == ["Try again", "Use the default", "Cancel"]
        hub.statuses.clear()
        await here.visitor.click(waiting, label="Try again")
        assert "**3 photos**" in text_of(waiting) and "ann/base" in text_of(waiting)


async def test_what_is_never_allowed_costs_nobody_a_photo(
    here: World, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, fetched = here.env.backend.cdn.get, []
    monkeypatch.setattr(here.env.backend.cdn, "get", lambda url: fetched.append(url) or find(url))
    options = {"steps": 9000, "sample_prompt": "a naked child"}
    for count in (3, 0):  # photos with the command, or a form for them
        refused = await prepare(here, count, **options)
        assert refused.modal is None and "I never draw that." in text_of(refused.response)
    form = await here.visitor.slash(here.studio, "train", **{"class": "child"})
    values = {"name": "nude", "class": ["child"], "photos": photos(3), "consent": True}
    sent = await here.visitor.submit_modal(form, values)
    assert "I never draw that." in text_of(sent.response)
    assert fetched == [] and [*app.files.drafts.iterdir()] == []


async def test_cancel_removes_photos_that_nobody_agreed_to(here: World, app: App) -> None:
    waiting = (await prepare(here, 3, consent=False)).response
    assert waiting is not None
    await here.visitor.click(waiting, label="Cancel")
    assert text_of(waiting) == "Nothing was kept." and [*app.files.drafts.iterdir()] == []
