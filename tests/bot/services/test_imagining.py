import asyncio
from typing import Any

import pytest

from bot.services.imagining import DrawPayload
from bot.services.refusal import Refusal
from data.jobs import JobKind, JobState
from tests.bot.services.house import ANN, BOB, GUILD, House

ORIGIN: dict[str, Any] = {"user_id": ANN, "guild_id": GUILD, "channel_id": 8, "locale": "en"}


async def test_a_prompt_is_queued_with_all_it_needs(house: House) -> None:
    job = await house.imagining().submit(" a cat ", **ORIGIN, seed=5, steps=20, negative="dog", width=64)
    assert (job.kind, job.state, job.steps, job.model_id) == (JobKind.draw, JobState.queued, 20, None)
    payload = DrawPayload.of(await house.job(job.id))
    assert payload == DrawPayload(
        prompt="a cat", negative="dog", steps=20, seed=5, width=64, base="mini", model_id=None
    )
    assert house.woken == 1


async def test_without_a_seed_each_drawing_has_its_own(house: House) -> None:
    seeds = {DrawPayload.of(await house.imagine()).seed for _ in range(5)}
    assert len(seeds) == 5


@pytest.mark.parametrize(
    ("prompt", "drawn"),
    [
        ("me as a mafia boss", "abraza person as a mafia boss"),
        ("Me and the sea", "abraza person and the sea"),
        ("a meadow with some home", "a meadow with some home"),
    ],
)
async def test_me_is_whom_the_model_knows(house: House, prompt: str, drawn: str) -> None:
    model_id = await house.make_model(ANN)
    job = await house.imagining().submit(prompt, **ORIGIN, model_id=model_id)
    assert (DrawPayload.of(job).prompt, job.model_id) == (drawn, model_id)
    base = await house.imagining().submit(prompt, **ORIGIN)
    assert (DrawPayload.of(base).prompt, base.model_id) == (prompt, None)


async def test_a_model_of_somebody_else_or_of_another_guild_does_not_draw(house: House) -> None:
    model_id = await house.make_model(ANN)
    assert (await house.imagining().submit("me", **ORIGIN, model_id=model_id)).model_id == model_id
    for origin in (ORIGIN | {"user_id": BOB}, ORIGIN | {"guild_id": GUILD + 1}):
        with pytest.raises(Refusal, match="no_such_model"):
            await house.imagining().submit("a cat", **origin, model_id=model_id)


@pytest.mark.parametrize(
    ("changes", "code", "params"),
    [
        ({"count": 17}, "bad_value", {"field": "count", "low": 1, "high": 16}),
        ({"guidance": -1.0}, "bad_value", {"field": "guidance", "low": 0, "high": 50}),
        ({"seed": 2**32}, "bad_value", {"field": "seed", "low": 0, "high": 2**32 - 1}),
        ({"width": 8}, "bad_value", {"field": "width", "low": 64, "high": 2048}),
        ({"prompt": "  "}, "bad_value", {"field": "prompt"}),
        ({"prompt": "x" * 1001}, "bad_value", {"field": "prompt"}),
        ({"height": 100}, "bad_size", {}),
    ],
)
async def test_a_value_out_of_range_is_refused_with_its_limits(
    house: House, changes: dict[str, Any], code: str, params: dict[str, Any]
) -> None:
    with pytest.raises(Refusal) as refused:
        await house.imagining().submit(**{"prompt": "a cat"} | ORIGIN | changes)
    assert (refused.value.code, refused.value.params) == (code, params)
    assert await house.jobs.queued(JobKind.draw) == [] and house.woken == 0


async def test_one_person_can_not_take_all_places_even_at_once(house: House) -> None:
    service = house.imagining(max_jobs=3)
    results = await asyncio.gather(
        *(service.submit("a cat", **ORIGIN) for _ in range(5)), return_exceptions=True
    )
    assert [result.code for result in results if isinstance(result, Refusal)] == ["too_many_jobs"] * 2
    assert await service.submit("a cat", **ORIGIN | {"user_id": BOB})


async def test_again_asks_for_the_same_with_another_seed(house: House) -> None:
    first = await house.imagining().submit("a cat", **ORIGIN, steps=20, guidance=3.0)
    again = await house.imagining().again(first.id, **ORIGIN | {"user_id": BOB})
    before, after = DrawPayload.of(first), DrawPayload.of(again)
    assert before.seed != after.seed
    assert after == before.model_copy(update={"seed": after.seed})
    assert (again.user_id, again.id) == (BOB, first.id + 1)


async def test_again_is_refused_across_guilds_people_and_lost_models(house: House) -> None:
    model_id = await house.make_model(ANN)
    service = house.imagining()
    drawing = await service.submit("me", **ORIGIN, model_id=model_id)
    training = await house.accept(BOB)
    for job_id, origin, code in (
        (drawing.id, ORIGIN | {"guild_id": 99}, "no_such_job"),
        (training.id, ORIGIN, "no_such_job"),
        (12345, ORIGIN, "no_such_job"),
        (drawing.id, ORIGIN | {"user_id": BOB}, "not_yours"),
    ):
        with pytest.raises(Refusal) as refused:
            await service.again(job_id, **origin)
        assert refused.value.code == code
    await house.training().delete_model(model_id, ANN)
    with pytest.raises(Refusal, match="no_such_model"):
        await service.again(drawing.id, **ORIGIN)


async def test_only_who_asked_can_remove_the_pictures(house: House) -> None:
    job = await house.imagine()
    folder = house.files.pictures(job.id)
    folder.mkdir()
    (folder / "0.png").write_bytes(b"png")
    await house.pictures.add(
        job_id=job.id, idx=0, path=folder / "0.png", prompt="", seed=1, width=64, height=64
    )
    with pytest.raises(Refusal, match="not_yours"):
        await house.imagining().delete(job.id, BOB)
    assert (folder / "0.png").exists()
    assert await house.imagining().delete(job.id, ANN) == 1
    assert not folder.exists() and await house.pictures.of_job(job.id) == []
    assert await house.imagining().delete(job.id, ANN) == 0
    with pytest.raises(Refusal, match="no_such_job"):
        await house.imagining().delete(999, ANN)
