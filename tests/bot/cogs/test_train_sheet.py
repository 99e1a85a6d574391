"""The contact sheet: what a training would learn from, chosen and changed before it starts."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import time

import pytest
from PIL import Image, ImageFilter
from simcord.results import ResponseMessage

from bot.app import App
from bot.sandbox import World
from bot.services.housekeeping import Housekeeping
from bot.services.refusal import Refusal
from data.drafts import KEEP_SECONDS
from data.jobs import JobKind
from tests.bot.cogs.test_restart import restarted
from tests.bot.face import Photo, alt_texts, card_saying, parts_of, photos, png, prepare, text_of, train
from tests.fakes import ScriptedGpu
from tests.trainer.test_photos import encoded, portrait
from trainer.presets import recipe_for
from trainer.spec import TrainSpec


def faces(*places: int) -> Photo:
    """A photo of drawn heads that the detector finds, from left to right."""
    picture = Image.new("RGB", (600, 800), (120, 150, 170))
    for place in places:
        picture = portrait(80, (place, 300), picture)
    return "us.png", encoded(picture)


def crops_of(sheet: ResponseMessage | None) -> dict[str, bool]:
    """The crops that the sheet's menu offers, and whether each is chosen."""
    assert sheet is not None
    (menu,) = (part for part in parts_of(sheet) if str(part.get("custom_id", "")).startswith("crops:"))
    return {option["label"]: bool(option.get("default")) for option in menu["options"]}


def is_open(sheet: ResponseMessage | None, label: str) -> bool:
    assert sheet is not None
    (button,) = (part for part in parts_of(sheet) if part.get("label") == label)
    return not button.get("disabled")


async def spec_of(app: App, here: World) -> TrainSpec:
    (job,) = await app.jobs.of_user(here.visitor.id)
    return TrainSpec.model_validate_json(job.payload)


async def test_the_sheet_shows_the_crops_and_takes_a_choice(here: World, app: App) -> None:
    sheet = (await prepare(here, 5)).response
    assert sheet is not None
    assert alt_texts(sheet) == ["5 numbered crops of the photos, 5 of them in use, the others dimmed"]
    (picture,) = sheet.attachments
    with Image.open(io.BytesIO(await picture.read())) as shown:
        assert shown.width > 5 * 150
    assert list(crops_of(sheet).values()) == [True] * 5

    await here.visitor.select(sheet, ["0", "4"], custom_id="crops:1")
    assert "2 in use: I need at least 3." in text_of(sheet)
    assert not is_open(sheet, "Start")
    await here.visitor.select(sheet, ["0", "2", "4"], custom_id="crops:1")
    assert [label for label, used in crops_of(sheet).items() if used] == ["Photo 1", "Photo 3", "Photo 5"]
    assert "**3 photos**" in text_of(sheet) and is_open(sheet, "Start")

    await here.visitor.click(sheet, label="Start")
    await card_saying(here, "Meet abraza (person)")
    (job,) = await app.jobs.of_user(here.visitor.id)
    assert job.photos == 3
    assert not app.files.draft(1).exists()


async def test_of_several_faces_one_is_chosen_and_the_rest_are_left_out(
    here: World, app: App, gpu: ScriptedGpu
) -> None:
    gpu.gate.clear()
    sheet = (await prepare(here, 3, photo4=faces(150, 430))).response
    assert "**us.png** shows several faces." in text_of(sheet)
    assert "at most one of each photo is used" in text_of(sheet)
    assert crops_of(sheet) == {
        **{f"Photo {number}": True for number in (1, 2, 3)},
        "Photo 4, face a": False,
        "Photo 4, face b": False,
    }

    await here.visitor.select(sheet, ["0", "1", "2", "3"], custom_id="crops:1")
    await here.visitor.select(sheet, ["0", "1", "2", "3", "4"], custom_id="crops:1")
    chosen = crops_of(sheet)
    assert (chosen["Photo 4, face a"], chosen["Photo 4, face b"]) == (False, True), "the newly chosen one"

    right = app.files.draft(1) / "4.png"
    kept = right.read_bytes()
    await here.visitor.click(sheet, label="Start")
    (job,) = await app.jobs.of_user(here.visitor.id)
    crops = sorted((app.files.job(job.id) / "photos").iterdir())
    with Image.open(io.BytesIO(kept)) as asked, Image.open(crops[3]) as trained:
        assert len(crops) == 4 and trained.tobytes() == asked.tobytes()
    gpu.gate.set()
    await card_saying(here, "Meet abraza (person)")


async def test_change_photos_makes_room_for_others_and_keeps_what_was_asked(here: World, app: App) -> None:
    sheet = (await prepare(here, 4, steps=77, method="lora", sample_prompt="me at sea")).response
    assert sheet is not None
    form = await here.visitor.click(sheet, label="Change photos")
    fields = [part["component"] for part in (form.modal or {})["components"]]
    assert fields[0]["value"] == "abraza"

    values = {"name": "mojo", "class": ["dog"], "photos": photos(9)[4:], "consent": True}
    await here.visitor.submit_modal(form, values)
    assert "**5 photos** · 77 steps · LoRA" in text_of(sheet)
    assert [folder.name for folder in app.files.drafts.iterdir()] == ["2"], "the other photos are gone"
    await here.visitor.click(sheet, label="Start")
    await card_saying(here, "Meet mojo (dog)")
    spec = await spec_of(app, here)
    assert spec.concepts[0].instance_prompt == "photo of mojo dog"
    assert spec.recipe.sample_prompts == ("mojo dog at sea",)


async def test_cancel_forgets_the_photos_at_once(here: World, app: App) -> None:
    sheet = (await prepare(here)).response
    assert sheet is not None
    await here.visitor.click(sheet, label="Cancel")

    assert text_of(sheet) == "Nothing was kept."
    assert [*app.files.drafts.iterdir()] == [*app.files.jobs.iterdir()] == []
    assert await app.jobs.of_user(here.visitor.id) == []


async def test_two_presses_of_start_are_one_training(here: World, app: App, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    await prepare(here)
    presses = (app.training.start(1, here.visitor.id) for _ in range(2))
    outcomes = await asyncio.gather(*presses, return_exceptions=True)
    (late,) = (outcome for outcome in outcomes if isinstance(outcome, BaseException))
    assert isinstance(late, Refusal) and late.code == "draft_gone"
    assert len(await app.jobs.of_user(here.visitor.id)) == 1
    gpu.gate.set()


async def test_the_sheet_outlives_a_restart(here: World, app: App, gpu: ScriptedGpu) -> None:
    sheet = (await prepare(here, 5)).response
    assert sheet is not None
    after = await restarted(here, app, gpu)
    try:
        await here.visitor.select(sheet, ["0", "1", "2", "3"], custom_id="crops:1")
        assert "**4 photos**" in text_of(sheet)
        await here.visitor.click(sheet, label="Start")
        await card_saying(here, "Meet abraza (person)")
        (job,) = await after.jobs.of_user(here.visitor.id)
        assert job.photos == 4
    finally:
        await after.close()


async def test_a_draft_goes_after_a_day_and_its_buttons_say_so(here: World, app: App) -> None:
    sheet = (await prepare(here)).response
    assert sheet is not None
    keeper = Housekeeping(app.db, app.files, app.jobs, app.pictures)
    await keeper.sweep()
    assert app.files.draft(1).exists(), "its day is not over"
    async with app.db.transaction() as tx:
        await tx.execute("UPDATE drafts SET created_at = ?", (time.time() - KEEP_SECONDS - 1,))
    await keeper.sweep()

    assert not app.files.draft(1).exists()
    for label in ("Start", "Change photos", "Cancel"):
        answer = await here.visitor.click(sheet, label=label)
        told = answer.followups[-1] if answer.followups else answer.response
        assert "waited longer than a day" in text_of(told), label
    assert await app.jobs.of_user(here.visitor.id) == []


async def test_a_message_full_of_photos_is_trained_on(here: World) -> None:
    message = await here.visitor.send(here.studio, "that is me", attachments=photos(4))
    form = await here.visitor.context_menu(here.studio, "Train on these photos", message)
    assert "Photos so far: 4" in json.dumps(form.modal)
    more = {"name": "abraza", "class": ["woman"], "more_photos": photos(5)[4:], "consent": True}
    sheet = (await here.visitor.submit_modal(form, more)).response
    assert "**5 photos**" in text_of(sheet)
    await here.visitor.click(sheet, label="Start")
    await card_saying(here, "Meet abraza (woman)")


async def test_a_forwarded_message_is_trained_on_as_its_original_is(here: World) -> None:
    original = await here.visitor.send(here.studio, "that is me", attachments=photos(4))
    forwarded = await here.visitor.forward(original, here.studio)
    form = await here.visitor.context_menu(here.studio, "Train on these photos", forwarded)
    assert "Photos so far: 4" in json.dumps(form.modal)
    values = {"name": "abraza", "class": ["woman"], "consent": True}
    sheet = (await here.visitor.submit_modal(form, values)).response
    assert "**4 photos**" in text_of(sheet)


async def test_a_message_without_photos_has_nothing_to_train_on(here: World) -> None:
    message = await here.visitor.send(here.studio, "hello", attachments=[("notes.txt", b"words")])
    refused = await here.visitor.context_menu(here.studio, "Train on these photos", message)
    assert "That message has no photos." in text_of(refused.response)


@pytest.mark.parametrize("preset", ["lesson", "quick", "careful"])
@pytest.mark.parametrize("method", ["full", "lora"])
async def test_options_reach_the_trainer(
    here: World, app: App, gpu: ScriptedGpu, preset: str, method: str
) -> None:
    await app.settings.update(here.guild.id, bases=("sd15",))
    large = {f"photo{number}": (f"{number}.png", png(number, side=512)) for number in range(1, 4)}
    asked = {"base": "sd15", "method": method, "preset": preset, "steps": 77}
    await train(here, 3, **large, **asked, sample_prompt="me as a pirate")
    await card_saying(here, "Meet abraza (person)")

    spec = await spec_of(app, here)
    recipe = recipe_for("sd15", preset, method)  # type: ignore[arg-type]
    assert spec.base == "sd15"
    assert spec.recipe == recipe.model_copy(
        update={"steps": 77, "sample_prompts": ("abraza person as a pirate",)}
    )


@pytest.mark.real_intake
async def test_each_reason_of_rejection_is_said(
    here: World, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["bot.cogs.train"], "MAX_UPLOAD", 2**20)  # as the bot has loaded it
    good = photos(3)
    soft = Image.open(io.BytesIO(png(5))).filter(ImageFilter.GaussianBlur(30))
    bad = {
        "is too blurred": ("soft.png", encoded(soft)),
        "is damaged or cut off": ("cut.png", png(6)[:-1000]),
        "has too many pixels": ("huge.png", encoded(Image.new("1", (9000, 9000)))),
        "is too small": ("stamp.png", png(7, side=16)),
        "is the same picture": ("again.png", good[0][1]),
        "is not a picture": ("notes.png", b"words"),
        "is larger than 1 MiB": ("heavy.png", b"0" * (2**20 + 1)),
    }
    uploads = {f"photo{number}": photo for number, photo in enumerate([*good, *bad.values()], 1)}
    sheet = text_of((await prepare(here, 0, **uploads)).response)

    for reason, (name, _) in bad.items():
        assert any(f"**{name}** {reason}" in line for line in sheet.splitlines()), (name, sheet)
    assert "**3 photos**" in sheet


async def test_a_photo_that_discord_has_lost_is_named(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    find = here.env.backend.cdn.get
    monkeypatch.setattr(here.env.backend.cdn, "get", lambda url: None if "photo-3" in url else find(url))
    sheet = text_of((await prepare(here, 4)).response)
    assert "**photo-3.png** could not be fetched from Discord." in sheet and "**3 photos**" in sheet


async def test_photos_without_a_face_are_named(here: World, app: App) -> None:
    await app.settings.update(here.guild.id, bases=("sd15",))
    large = {f"photo{number}": (f"{number}.png", png(number, side=512)) for number in range(1, 4)}
    sheet = text_of((await prepare(here, 0, **large, photo4=faces(300), base="sd15")).response)
    assert "No face found on photo 1, 2, 3: I took the middle." in sheet
    cat = text_of((await prepare(here, 0, **large, base="sd15", **{"class": "teapot"})).response)
    assert "No face" not in cat, "a teapot has none"
    assert await app.jobs.queued(JobKind.train) == []
