"""What the buttons of a result ask for, without Discord."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.services.draw_payload import DrawPayload
from bot.services.imagining import MEMBER, Asker
from bot.services.refusal import Refusal
from data.jobs import Job
from data.secrets import Scope
from tests.bot.services.house import ANN, BOB, GUILD, House, refused

ORIGIN: dict[str, Any] = {"user_id": ANN, "guild_id": GUILD, "channel_id": 8, "locale": "en"}
BOBS: dict[str, Any] = ORIGIN | {"user_id": BOB}


async def drawn(house: House, prompt: str = "a cat", pictures: int = 2, **wishes: Any) -> Job:
    """A drawing that is done, with pictures of 96 pixels."""
    job = await house.imagining().submit(prompt, **ORIGIN, count=pictures, **wishes)
    await house.jobs.start(job.id)
    asked = DrawPayload.of(job)
    folder = house.files.pictures(job.id)
    folder.mkdir()
    for index in range(pictures):
        await _add(house, job, folder, index, asked)
    await house.jobs.finish(job.id)
    return await house.job(job.id)


async def _add(house: House, job: Job, folder: Path, index: int, asked: DrawPayload) -> None:
    size = (asked.width or 96, asked.height or 96)
    path = folder / f"{index}.png"
    Image.new("RGB", size).save(path)
    await house.pictures.add(
        job_id=job.id,
        idx=index,
        path=path,
        prompt=asked.prompt,
        seed=asked.seed + index,
        width=size[0],
        height=size[1],
    )


async def test_again_goes_on_with_the_seeds_and_a_new_seed_starts_elsewhere(house: House) -> None:
    first = await drawn(house, seed=7, steps=20, guidance=3.0)
    before = DrawPayload.of(first)
    again = DrawPayload.of(await house.redrawing().again(first.id, **BOBS))
    assert again == before.model_copy(update={"seed": 9, "parent": first.id})
    new = DrawPayload.of(await house.redrawing().again(first.id, new_seed=True, **BOBS))
    assert new.seed not in (7, 9)
    waiting = await house.imagining().submit("a dog", **ORIGIN, seed=7)
    assert DrawPayload.of(await house.redrawing().again(waiting.id, **ORIGIN)).seed == 7


async def test_edit_changes_the_words_and_keeps_the_seed(house: House) -> None:
    model_id = await house.make_model(ANN)
    first = await drawn(house, "me as a king", model_id=model_id, seed=7, style="photo")
    edited = DrawPayload.of(await house.redrawing().edit(first.id, " me as  a pirate", " hats ", **ORIGIN))
    assert (edited.prompt, edited.negative, edited.seed) == ("abraza person as a pirate", "hats", 7)
    assert (edited.style, edited.parent, edited.subject) == (None, first.id, "abraza person")
    empty = DrawPayload.of(await house.redrawing().edit(first.id, "a house", "", **ORIGIN))
    assert (empty.prompt, empty.subject) == ("a house", "")
    for words, code in (("", "prompt_empty"), ("naked", "word_blocked"), ("x" * 1001, "prompt_too_long")):
        with pytest.raises(Refusal, match=code):
            await house.redrawing().edit(first.id, words, "", **ORIGIN)


async def test_vary_and_upscale_start_from_the_picture(house: House) -> None:
    first = await drawn(house, seed=7, size="portrait", backend="auto")
    one, two = await house.pictures.of_job(first.id)
    varied = DrawPayload.of(await house.redrawing().vary(first.id, 1, **ORIGIN))
    assert (varied.init, varied.count, varied.backend) == (two.id, 4, "auto")
    assert (varied.width, varied.height) == (96, 144)
    large = await house.redrawing().upscale(first.id, 0, **ORIGIN)
    asked = DrawPayload.of(large)
    assert (asked.init, asked.count, asked.seed, asked.strength < varied.strength) == (one.id, 1, 7, True)
    assert (asked.width, asked.height) == (192, 288)


async def test_a_picture_that_is_as_large_as_we_draw_or_gone_is_refused(house: House) -> None:
    first = await drawn(house)
    async with house.db.transaction() as tx:
        await tx.execute("UPDATE pictures SET width = 1984, height = 1024 WHERE idx = 0")
    with pytest.raises(Refusal, match="already_large"):
        await house.redrawing().upscale(first.id, 0, **ORIGIN)
    with pytest.raises(Refusal, match="picture_gone"):
        await house.redrawing().upscale(first.id, 3, **ORIGIN)
    await house.imagining().delete(first.id)
    with pytest.raises(Refusal, match="picture_gone"):
        await house.redrawing().vary(first.id, 0, **ORIGIN)


async def test_models_guilds_and_secrets_of_others_are_refused(house: House) -> None:
    model_id = await house.make_model(ANN)
    drawing = await drawn(house, "me", model_id=model_id)
    secret = await drawn(house, private=True)
    training = await house.accept(BOB)
    service = house.redrawing()
    for job_id, origin, code in (
        (drawing.id, ORIGIN | {"guild_id": 99}, "no_such_job"),
        (training.id, ORIGIN, "no_such_job"),
        (12345, ORIGIN, "no_such_job"),
        (drawing.id, BOBS, "not_yours"),
        (secret.id, BOBS, "no_such_job"),
    ):
        for press in (service.again(job_id, **origin), service.vary(job_id, 0, **origin)):
            with pytest.raises(Refusal, match=code):
                await press
    await house.models.share(model_id, True)
    assert await service.again(drawing.id, **BOBS)
    await house.owned().delete(model_id, ANN)
    with pytest.raises(Refusal, match="no_such_model"):
        await service.again(drawing.id, **ORIGIN)


async def test_try_on_puts_the_pressers_subject_in_place_of_the_other(house: House) -> None:
    model_id = await house.make_model(ANN, "abraza")
    first = await drawn(house, "me as a king", model_id=model_id, seed=7, steps=20, size="landscape")
    shared = await house.gallery().share(first.id, 1, ANN, MEMBER, age_restricted=False)
    with pytest.raises(Refusal, match="no_model_yet"):
        await house.redrawing().try_on(shared, **BOBS)
    mine = await house.make_model(BOB, "mojo")
    job = await house.redrawing().try_on(shared, **BOBS)
    asked = DrawPayload.of(job)
    assert (asked.prompt, asked.model_id, job.user_id) == ("mojo person as a king", mine, BOB)
    assert (asked.seed, asked.steps, asked.width, asked.height) == (8, 20, 144, 96)
    assert (asked.init, asked.private) == (None, False)


async def test_a_shared_prompt_about_nobody_gets_the_presser_in_front(house: House) -> None:
    first = await drawn(house, "a castle")
    shared = await house.gallery().share(first.id, 0, ANN, MEMBER, age_restricted=False)
    await house.make_model(BOB, "mojo")
    job = await house.redrawing().try_on(shared, **BOBS)
    assert DrawPayload.of(job).prompt == "mojo person, a castle"


@pytest.mark.parametrize("base", ["somebody/some-model", "/a/folder/that/was/moved"])
async def test_a_model_in_full_outlives_its_base(house: House, base: str) -> None:
    model_id = await house.make_model(ANN, base=base)
    first = await drawn(house, "me as a king", model_id=model_id, size="portrait")
    large = DrawPayload.of(await house.redrawing().upscale(first.id, 0, **ORIGIN))
    assert (large.width, large.height) == (192, 288)


async def test_what_a_private_drawing_hid_stays_hidden_when_its_picture_is_tried_on(house: House) -> None:
    drawing = await drawn(house, "a castle", private=True, negative="my secret", style="photo")
    shared = await house.gallery().share(drawing.id, 0, ANN, MEMBER, age_restricted=False)
    await house.make_model(BOB, "mojo")
    asked = DrawPayload.of(await house.redrawing().try_on(shared, **BOBS))
    assert (asked.negative, asked.style, asked.parent, asked.private) == ("", None, None, False)


async def test_who_may_not_write_where_they_ask_gets_the_drawing_alone(house: House) -> None:
    first = await drawn(house)
    job = await house.redrawing().again(first.id, asker=Asker(writes=False), **ORIGIN)
    assert DrawPayload.of(job).private


@pytest.mark.parametrize(("scope", "code"), [("user", "not_yours"), ("guild", None), (None, "not_yours")])
async def test_pictures_of_ones_own_endpoint_are_as_private_as_those_of_ones_own_model(
    house: House, scope: Scope | None, code: str | None
) -> None:
    first = await drawn(house)
    async with house.db.transaction() as tx:
        await tx.execute("UPDATE jobs SET lane = 'endpoint'")
        if scope is not None:
            endpoint = await house.kept_endpoints.put(
                scope, ANN if scope == "user" else GUILD, url="u", account="ann", wait_seconds=9, tx=tx
            )
            await house.kept_endpoints.draw_began(first.id, endpoint.id, 2, 9, tx)
    service = house.redrawing()
    mine = await service.vary(first.id, 0, **ORIGIN)
    assert await service.again(first.id, **BOBS), "the words alone show nobody's face"
    for press in (service.vary(first.id, 0, **BOBS), service.again(mine.id, **BOBS)):
        if code is None:
            await press
        else:
            assert await refused(press) == code


async def test_a_face_that_its_owner_took_back_is_not_newly_shared(house: House) -> None:
    model_id = await house.make_model(ANN)
    await house.models.share(model_id, True)
    job = await house.imagining().submit("me", **BOBS, model_id=model_id, count=1)
    await house.jobs.start(job.id)
    house.files.pictures(job.id).mkdir()
    await _add(house, job, house.files.pictures(job.id), 0, DrawPayload.of(job))
    await house.jobs.finish(job.id)

    async def share() -> object:
        return await house.gallery().share(job.id, 0, BOB, MEMBER, age_restricted=False)

    await house.models.share(model_id, False)
    assert await refused(share()) == "share_no_face"
    await house.models.share(model_id, True)
    assert await share()
    await house.owned().delete(model_id, ANN)
    assert await refused(share()) == "share_no_face"
