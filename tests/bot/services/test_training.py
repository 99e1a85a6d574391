import asyncio
import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.services.drafting import Drafting
from bot.services.intake import Upload
from bot.services.refusal import Refusal
from bot.services.wish import Wish
from data.drafts import Draft
from data.jobs import Job, JobKind, JobState
from tests.bases import copy_mini, hub_of_bases, repository
from tests.bot.services.house import ANN, BOB, GUILD, House, upload, uploads
from tests.models import write_lora
from trainer.job import JobFolder
from trainer.spec import TrainSpec

WISH: dict[str, Any] = {
    "name": "abraza",
    "consent": True,
    "user_id": ANN,
    "guild_id": GUILD,
    "channel_id": 8,
    "locale": "en",
}


@dataclass(frozen=True)
class Accepted:
    job: Job
    codes: tuple[str, ...]


async def accept(
    house: House, uploads: list[Upload], *, own_base: str = "mini", max_jobs: int = 2, **options: Any
) -> Accepted:
    """A draft, started at once."""
    draft = await draft_of(house.drafting(own_base, max_jobs), uploads, **options)
    job = await house.training(own_base, max_jobs).start(draft.id, draft.user_id)
    return Accepted(job, tuple(code for code, _ in draft.notices))


async def draft_of(drafting: Drafting, uploads: list[Upload], **options: Any) -> Draft:
    wish = Wish(**{name: options.pop(name) for name in list(options) if name in Wish.model_fields})
    return await drafting.draft(uploads, wish, **options)


async def assert_nothing_is_left(house: House) -> None:
    assert list(house.files.jobs.iterdir()) == []
    assert await house.jobs.queued(JobKind.train) == []
    assert house.woken == 0


async def test_an_accepted_training_is_whole_on_disk_and_in_the_queue(house: House) -> None:
    accepted = await accept(house, uploads(6), **WISH, class_name="dog", steps=123)
    job = await house.job(accepted.job.id)
    assert (job.state, job.photos, job.steps, job.user_id, job.locale) == (JobState.queued, 6, 123, ANN, "en")
    assert job.consent_at
    spec = JobFolder(house.files.job(job.id)).spec()
    assert spec == TrainSpec.model_validate_json(job.payload)
    assert (spec.base, spec.concepts[0].instance_prompt, spec.recipe.steps) == (
        "mini",
        "photo of abraza dog",
        123,
    )
    photos = sorted((house.files.job(job.id) / spec.concepts[0].photos).iterdir())
    assert len(photos) == 6
    for photo in photos:
        with Image.open(photo) as image:
            assert (image.mode, image.width) == ("RGB", image.height)
    assert accepted.codes == ()
    assert house.woken == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"consent": False}, "no_consent"),
        ({"name": "a"}, "bad_name"),
        ({"name": "two words"}, "bad_name"),
        ({"name": "two words", "consent": False}, "bad_name"),
        ({"class_name": "person, naked"}, "bad_class"),
        ({"steps": 4001}, "too_many_steps"),
        ({"steps": 0, "consent": False}, "too_many_steps"),
        ({"base": "sdxl"}, "base_not_offered"),
        ({"sample_prompt": "me " * 400}, "prompt_too_long"),
        ({"sample_prompt": "me, naked"}, "word_blocked"),
    ],
)
async def test_photos_wait_unread_for_consent_or_for_a_better_wish(
    house: House, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], code: str
) -> None:
    async def nobody_may(*_: object, **__: object) -> None:
        raise AssertionError("the photos were looked at")

    sent = uploads(3)
    with monkeypatch.context() as unread:
        unread.setattr("bot.services.intake.read_photos", nobody_may)
        draft = await draft_of(house.drafting(), sent, **WISH | changes)
    assert [notice for notice, _ in draft.notices] == [code] and draft.crops == ()
    assert (draft.consent_at is None) is (changes.get("consent") is False)
    kept = [house.files.draft(draft.id) / str(place) for place in range(3)]
    assert [file.read_bytes() for file in kept] == [await one.fetch() for one in sent]
    with pytest.raises(Refusal, match="too_few_photos"):
        await house.training().start(draft.id, ANN)

    mended = await draft_of(house.drafting(), [], **WISH, form=draft)
    assert len(mended.crops) == 3 and mended.consent_at and mended.uploads == ()
    assert [folder.name for folder in house.files.drafts.iterdir()] == [str(mended.id)]
    assert (await house.training().start(mended.id, ANN)).photos == 3


async def nobody_may_fetch() -> bytes:
    raise AssertionError("a photo was fetched")


@pytest.mark.parametrize(
    "wish",
    [
        {"sample_prompt": "a naked child"},
        {"sample_prompt": "a naked child", "consent": False},
        {"sample_prompt": "a naked child", "name": "two words", "steps": 9000, "base": "sdxl"},
        {"sample_prompt": "a naked child " * 80},
        {"sample_prompt": "me, naked", "class_name": "child"},
        {"sample_prompt": "me, naked", "name": "schoolgirl"},
        {"class_name": "naked child"},
    ],
)
async def test_no_photo_is_fetched_for_what_is_never_allowed(house: House, wish: dict[str, Any]) -> None:
    await house.settings.update(GUILD, safety="off")
    drafting, sent = house.drafting(), [Upload("me.jpg", nobody_may_fetch)] * 3
    with pytest.raises(Refusal, match="word_never"):
        await draft_of(drafting, sent, **WISH | wish)
    options = {name: value for name, value in wish.items() if name in Wish.model_fields}
    asked = Wish(name="abraza").model_copy(update=options)
    origin = {name: WISH[name] for name in ("user_id", "guild_id", "channel_id", "locale")}
    with pytest.raises(Refusal, match="word_never"):
        await drafting.ask(asked, **origin)
    assert await house.db.rows("SELECT id FROM drafts") == [] and not [*house.files.drafts.iterdir()]


async def test_a_form_that_is_changed_to_what_is_never_allowed_changes_nothing(house: House) -> None:
    await house.settings.update(GUILD, safety="off")
    asked = {"sample_prompt": "me, naked", "consent": False}
    draft = await draft_of(house.drafting(), uploads(2), **WISH | asked)
    more = [Upload("more.jpg", nobody_may_fetch)]
    with pytest.raises(Refusal, match="word_never"):
        await draft_of(house.drafting(), more, **WISH | asked | {"class_name": "child"}, form=draft)
    assert await house.drafting().of(draft.id, ANN) == draft


async def test_the_default_takes_the_place_of_each_option_that_was_refused(house: House) -> None:
    asked = {"steps": 9000, "base": "sdxl", "sample_prompt": "me, naked", "consent": False}
    draft = await draft_of(house.drafting(), uploads(3), **WISH | asked)
    for code in ("base_not_offered", "too_many_steps", "word_blocked"):
        assert [notice for notice, _ in draft.notices] == [code] and len(draft.uploads) == 3
        draft = await house.drafting().use_default(draft.id, ANN)
    assert [notice for notice, _ in draft.notices] == ["no_consent"]
    sheet = await house.drafting().agree(draft.id, ANN)
    assert Wish.model_validate_json(sheet.wish) == Wish(name="abraza") and len(sheet.crops) == 3
    for press in (house.drafting().agree, house.drafting().retry, house.drafting().use_default):
        with pytest.raises(Refusal, match="draft_gone"):  # nothing is missing any more
            await press(sheet.id, ANN)
    assert (await house.training().start(sheet.id, ANN)).photos == 3


async def test_who_agrees_twice_has_one_draft(house: House) -> None:
    draft = await draft_of(house.drafting(), uploads(3), **WISH | {"consent": False})
    presses = (house.drafting().agree(draft.id, ANN) for _ in range(2))
    late, agreed = sorted(
        await asyncio.gather(*presses, return_exceptions=True), key=lambda one: isinstance(one, Draft)
    )
    assert isinstance(late, Refusal) and late.code == "draft_gone"
    assert isinstance(agreed, Draft) and len(agreed.crops) == 3
    assert [folder.name for folder in house.files.drafts.iterdir()] == [str(agreed.id)]


async def test_an_open_form_leaves_the_photos_that_wait_alone(house: House) -> None:
    draft = await house.drafted()
    opened = await house.drafting().ask(Wish(name="mojo", steps=77), **draft.origin)
    assert await house.drafting().of(draft.id, ANN) == draft
    sent = await draft_of(house.drafting(), uploads(2), **WISH | {"consent": False}, form=opened)
    for gone in (draft, opened):
        with pytest.raises(Refusal, match="draft_gone"):
            await house.drafting().of(gone.id, ANN)
    assert [folder.name for folder in house.files.drafts.iterdir()] == [str(sent.id)]


async def test_who_has_to_wait_for_another_training_prepares_meanwhile(house: House) -> None:
    service, first = house.training(max_jobs=1), await house.accept()
    draft = await draft_of(house.drafting(max_jobs=1), uploads(3), **WISH)
    assert len(draft.crops) == 3 and draft.notices == (("too_many_jobs", {"limit": 1}),)
    with pytest.raises(Refusal, match="too_many_jobs"):
        await service.start(draft.id, ANN)
    await house.jobs.fail(first.id, "out_of_memory", "Too little memory.")
    assert (await service.start(draft.id, ANN)).photos == 3


@pytest.mark.parametrize(
    ("settings", "wish", "code"),
    [
        ({"train_enabled": False}, {}, "training_disabled"),
        ({"train_roles": (7,)}, {}, "not_allowed_role"),
        ({"max_steps": 60}, {"steps": 61}, "too_many_steps"),
        ({"words": ("axe",)}, {"sample_prompt": "me with an axe"}, "word_blocked"),
        ({}, {"base": "sdxl"}, "base_not_offered"),
    ],
)
async def test_what_no_form_can_put_right_is_said_before_anybody_chooses_photos(
    house: House, settings: dict[str, Any], wish: dict[str, Any], code: str
) -> None:
    await house.settings.update(GUILD, **settings)
    origin = {name: WISH[name] for name in ("user_id", "guild_id", "channel_id", "locale")}
    with pytest.raises(Refusal, match=code):
        await house.drafting().ask(Wish(name="").model_copy(update=wish), **origin)
    assert await house.db.rows("SELECT id FROM drafts") == []


async def test_too_many_photos_are_refused(house: House) -> None:
    with pytest.raises(Refusal, match="too_many_photos"):
        await accept(house, uploads(3) * 7, **WISH)
    await assert_nothing_is_left(house)


async def test_too_few_photos_are_kept_until_there_are_more(house: House) -> None:
    good, other = uploads(2)
    bad = [
        upload("notes.txt", b"hello"),
        upload("cut.jpg", (await good.fetch())[:2000]),
        upload("again.jpg", await good.fetch()),
    ]
    draft = await draft_of(house.drafting(), [bad[0], good, bad[1], other, bad[2]], **WISH)
    (code, params), *rejected = draft.notices
    assert (code, params["usable"], params["minimum"]) == ("too_few_photos", 2, 3)
    assert [(code, params["name"]) for code, params in rejected] == [
        ("not_an_image", "notes.txt"),
        ("truncated", "cut.jpg"),
        ("duplicate", "again.jpg"),
    ]
    assert draft.uploads == (good.filename, other.filename)
    with pytest.raises(Refusal, match="too_few_photos"):
        await house.training().start(draft.id, ANN)

    more = await draft_of(house.drafting(), uploads(4), **WISH, form=draft)
    assert len(more.crops) == 4
    assert [code for code, _ in more.notices] == ["duplicate", "duplicate"]
    assert (await house.training().start(more.id, ANN)).photos == 4


async def test_what_is_only_unwise_is_accepted_with_a_warning(house: House, tmp_path: Path) -> None:
    # Not shaped like the mini model, whose drawn people no detector finds.
    base = copy_mini(tmp_path / "base", unet={"layers_per_block": 2})
    accepted = await accept(
        house,
        [*uploads(3), upload("notes.txt", b"hello")],
        own_base=str(base),
        **WISH | {"name": "table"},
    )
    assert accepted.codes == ("not_an_image", "no_face", "common_word")
    assert accepted.job.photos == 3


async def test_drawn_people_bring_no_warning_about_faces(house: House) -> None:
    assert (await accept(house, uploads(3), **WISH)).codes == ()


async def test_photos_wait_until_the_base_can_be_used(house: House) -> None:
    draft = await draft_of(house.drafting("no such model"), uploads(3), **WISH)
    assert draft.notices == (("unknown_base", {"base": "no such model"}),)
    again = await house.drafting().use_default(draft.id, ANN)
    assert len(again.crops) == 3 and again.notices == ()


async def test_the_same_base_is_tried_again_once_the_hub_answers(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.settings.update(GUILD, bases=("ann/base",))
    wanted = Wish(name="abraza", base="ann/base", steps=77)
    with hub_of_bases(monkeypatch, tmp_path / "cache") as hub:
        hub.repos["ann/base"] = repository(copy_mini(tmp_path / "base"))
        hub.statuses["GET /api/models/"] = 503
        draft = await draft_of(house.drafting(), uploads(3), **WISH, base="ann/base", steps=77)
        for _ in range(2):
            assert [code for code, _ in draft.notices] == ["base_unreachable"] and len(draft.uploads) == 3
            assert Wish.model_validate_json(draft.wish) == wanted and draft.consent_at
            draft = await house.drafting().retry(draft.id, ANN)
        hub.statuses.clear()
        sheet = await house.drafting().retry(draft.id, ANN)
        assert Wish.model_validate_json(sheet.wish) == wanted and len(sheet.crops) == 3


async def test_a_base_on_the_hub_is_looked_at_before_anybody_queues(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_mini(tmp_path / "base", unet={"sample_size": 32})
    with hub_of_bases(monkeypatch, tmp_path / "cache") as hub:
        hub.repos["ann/base"] = repository(folder)
        accepted = await accept(house, uploads(3), own_base="ann/base", **WISH)
        with Image.open(house.files.job(accepted.job.id) / "photos" / "00.png") as photo:
            assert photo.size == (128, 128)
        (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
        hub.repos["ann/torn"] = repository(folder)
        torn = await draft_of(house.drafting("ann/torn"), uploads(3), **WISH | {"user_id": BOB})
        assert [code for code, _ in torn.notices] == ["base_incomplete"] and torn.crops == ()
        assert not any(call.endswith(".safetensors") for call in hub.calls)
    assert len(await house.jobs.queued(JobKind.train)) == 1


async def test_a_lora_as_the_base_is_trained_on_in_full_alone(house: House, tmp_path: Path) -> None:
    lora = str(write_lora(tmp_path / "lora"))
    accepted = await accept(house, uploads(3), own_base=lora, **WISH)
    assert TrainSpec.model_validate_json(accepted.job.payload).recipe.method == "full"
    kept = await draft_of(house.drafting(lora), uploads(3), **WISH | {"user_id": BOB, "method": "lora"})
    assert [code for code, _ in kept.notices] == ["lora_as_base"]
    assert len((await house.drafting(lora).use_default(kept.id, BOB)).crops) == 3


async def test_the_guild_decides_about_training_and_its_length(house: House) -> None:
    await house.settings.update(GUILD, max_steps=60, default_steps=50)
    by_default = await accept(house, uploads(3), **WISH)
    assert by_default.job.steps == 50
    too_long = await draft_of(house.drafting(), uploads(3), **WISH, steps=61)
    assert too_long.notices == (("too_many_steps", {"limit": 60}),)
    await house.settings.update(GUILD, default_steps=None)
    assert (await accept(house, uploads(3), **WISH)).job.steps == 60, "the rule asks for more"
    await house.settings.update(GUILD, train_enabled=False)
    with pytest.raises(Refusal, match="training_disabled"):
        await accept(house, uploads(3), **WISH | {"user_id": BOB})


async def test_one_person_can_not_take_all_places_even_at_once(house: House) -> None:
    servers = [WISH | {"guild_id": GUILD + number} for number in range(4)]
    drafts = [await draft_of(house.drafting(), uploads(3), **server) for server in servers]
    training = house.training(max_jobs=2)
    results = await asyncio.gather(
        *(training.start(draft.id, draft.user_id) for draft in drafts), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, Refusal)]
    assert [(refusal.code, refusal.params) for refusal in refused] == [("too_many_jobs", {"limit": 2})] * 2
    queued = await house.jobs.queued(JobKind.train)
    assert {folder.name for folder in house.files.jobs.iterdir()} == {str(job.id) for job in queued}
    assert len(queued) == 2
    assert (await accept(house, uploads(3), **WISH | {"user_id": BOB})).job.user_id == BOB


async def test_a_full_disk_is_said_and_leaves_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Refusal) as refused:
        await accept(house, uploads(3), **WISH)
    assert refused.value.code == "disk_full"
    await assert_nothing_is_left(house)


async def test_a_full_database_is_said_and_leaves_nothing(house: House) -> None:
    await house.db.connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(Refusal) as refused:
        for _ in range(100):
            await accept(house, uploads(3), max_jobs=100, **WISH, sample_prompt="me at sea " * 90)
    assert refused.value.code == "disk_full"
    queued = await house.jobs.queued(JobKind.train)
    assert {folder.name for folder in house.files.jobs.iterdir()} == {str(job.id) for job in queued}


async def test_only_its_owner_can_remove_a_model(house: House) -> None:
    model_id = await house.make_model(ANN)
    with pytest.raises(Refusal, match="no_such_model"):
        await house.owned().delete(model_id, BOB)
    removed = await house.owned().delete(model_id, ANN)
    assert removed.name == "abraza" and not removed.path.exists()
    with pytest.raises(Refusal, match="no_such_model"):
        await house.owned().delete(model_id, ANN)


async def test_files_that_cannot_be_removed_yet_make_no_failure_of_what_was_done(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_id, drawing, draft = await house.make_model(), await house.imagine(), await house.drafted()
    house.files.pictures(drawing.id).mkdir()

    def breaks(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as failing:
        failing.setattr(shutil, "rmtree", breaks)
        await house.training().start(draft.id, ANN)
        await house.owned().delete(model_id, ANN)
        await house.imagining().delete(drawing.id)
    places = (house.files.drafts, house.files.models, house.files.all_pictures)
    assert all(any(place.iterdir()) for place in places)
    house.files.discard_left()
    assert not any(any(place.iterdir()) for place in places)
