import asyncio
from typing import Any

import pytest

from bot.services.draw_payload import DrawPayload
from bot.services.imagining import Asker
from bot.services.refusal import Refusal
from data.jobs import JobKind, JobState
from tests.bot.services.house import ANN, BOB, GUILD, House, Recorder
from tests.fakes import ScriptedGpu

ORIGIN: dict[str, Any] = {"user_id": ANN, "guild_id": GUILD, "channel_id": 8, "locale": "en"}


async def test_a_prompt_is_queued_with_all_it_needs(house: House) -> None:
    job = await house.imagining().submit(
        " a cat ", **ORIGIN, seed=5, steps=20, negative="dog", size="portrait"
    )
    assert (job.kind, job.state, job.steps, job.model_id) == (JobKind.draw, JobState.queued, 20, None)
    payload = DrawPayload.of(await house.job(job.id))
    assert payload == DrawPayload(
        prompt="a cat",
        negative="dog",
        steps=20,
        seed=5,
        width=96,
        height=144,
        size="portrait",
        base="mini",
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
        ("a meadow with some home", "abraza person, a meadow with some home"),
        ("Abraza at sea", "abraza person at sea"),
        ("an abraza person, abraza", "an abraza person, abraza person"),
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
        ({"count": 5}, "bad_value", {"field": "count", "low": 1, "high": 4}),
        ({"steps": 101}, "bad_value", {"field": "steps", "low": 1, "high": 100}),
        ({"guidance": -1.0}, "bad_value", {"field": "guidance", "low": 0, "high": 50}),
        ({"seed": 2**32}, "bad_value", {"field": "seed", "low": 0, "high": 2**32 - 1}),
        ({"prompt": "  "}, "prompt_empty", {}),
        ({"prompt": "x" * 4000}, "prompt_too_long", {"length": 4000, "limit": 1000}),
        ({"negative": "🐈" * 1001}, "prompt_too_long", {"length": 1001, "limit": 1000}),
        ({"style": "cubism"}, "no_such_style", {"name": "cubism"}),
        ({"backend": "endpoint"}, "no_endpoint", {}),
        ({"prompt": "a naked person"}, "word_blocked", {"word": "naked"}),
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


async def test_the_pictures_of_a_job_are_removed(house: House) -> None:
    job = await house.imagine()
    folder = house.files.pictures(job.id)
    folder.mkdir()
    (folder / "0.png").write_bytes(b"png")
    await house.pictures.add(
        job_id=job.id, idx=0, path=folder / "0.png", prompt="", seed=1, width=64, height=64
    )
    assert await house.imagining().delete(job.id) == 1
    assert not folder.exists() and await house.pictures.of_job(job.id) == []
    assert await house.imagining().delete(job.id) == 0
    with pytest.raises(Refusal, match="no_such_job"):
        await house.imagining().delete(999)


async def test_what_is_not_said_the_guild_decides_within_its_limits(house: House) -> None:
    await house.settings.update(
        GUILD,
        default_draw_steps=7,
        max_draw_steps=9,
        max_count=2,
        default_guidance=3.0,
        default_size="landscape",
    )
    payload = DrawPayload.of(await house.imagining().submit("a cat", **ORIGIN))
    assert (payload.steps, payload.count, payload.guidance) == (7, 2, 3.0)
    assert (payload.size, payload.width, payload.height) == ("landscape", 144, 96)
    for wrong in ({"steps": 10}, {"count": 3}, {"guidance": 12.5}):
        await house.settings.update(GUILD, max_guidance=12.0)
        with pytest.raises(Refusal, match="bad_value"):
            await house.imagining().submit("a cat", **ORIGIN, **wrong)
    await house.settings.update(GUILD, default_count=1, max_guidance=2.0)
    payload = DrawPayload.of(await house.imagining().submit("a cat", **ORIGIN))
    assert (payload.count, payload.guidance) == (1, 2.0)
    await house.settings.update(GUILD, backends=("local",))
    assert DrawPayload.of(await house.imagining().submit("a cat", **ORIGIN)).backend == "local"
    with pytest.raises(Refusal, match="backend_off"):
        await house.imagining().submit("a cat", **ORIGIN, backend="endpoint")


async def test_roles_and_quotas_bind_who_draws(house: House) -> None:
    await house.settings.update(GUILD, imagine_roles=(5,), daily_pictures=6)
    service = house.imagining()
    with pytest.raises(Refusal, match="not_allowed_role"):
        await service.submit("a cat", **ORIGIN)
    member = Asker(role_ids=(5,))
    await service.submit("a cat", **ORIGIN, asker=member)
    with pytest.raises(Refusal, match="quota_pictures"):
        await service.submit("a cat", **ORIGIN, asker=member)
    assert await service.submit("a cat", **ORIGIN, asker=member, count=2)


async def test_a_shared_model_draws_for_everybody_of_its_guild(house: House) -> None:
    model_id = await house.make_model(ANN)
    await house.models.share(model_id, True)
    bob = ORIGIN | {"user_id": BOB}
    assert await house.imagining().pick("ABRAZA", BOB, GUILD) == (model_id, None)
    assert (await house.imagining().submit("me", **bob, model_id=model_id)).model_id == model_id


async def test_a_model_or_base_is_picked_by_what_people_call_it(house: House) -> None:
    service = house.imagining()
    assert await service.pick("", ANN, GUILD) == (None, None)
    assert await service.pick("base", ANN, GUILD) == (None, "mini")
    with pytest.raises(Refusal, match="no_such_model"):
        await service.pick("sd15", ANN, GUILD)
    await house.settings.update(GUILD, bases=("mini", "sd15"))
    assert await service.pick("sd15", ANN, GUILD) == (None, "sd15")
    drawn = DrawPayload.of(await service.submit("a cat", **ORIGIN, base="sd15", size="portrait"))
    assert (drawn.base, drawn.base_asked, drawn.width, drawn.height) == ("sd15", True, 512, 768)
    model_id = await house.make_model(ANN)
    assert await service.pick("", ANN, GUILD) == (model_id, None)
    for chosen in (str(model_id), "abraza", "Abraza Person"):
        assert await service.pick(chosen, ANN, GUILD) == (model_id, None)
        with pytest.raises(Refusal, match="no_such_model"):
            await service.pick(chosen, BOB, GUILD)


async def test_a_style_goes_around_the_prompt(house: House) -> None:
    model_id = await house.make_model(ANN)
    payload = DrawPayload.of(
        await house.imagining().submit("me | Vermeer", **ORIGIN, model_id=model_id, style="concept-art")
    )
    assert payload.prompt == (
        "concept art oil painting of abraza person by Vermeer, extremely detailed, artstation, 4k"
    )
    assert (payload.style, payload.subject) == ("concept-art", "abraza person")


async def test_the_guilds_level_says_whether_the_safety_checker_looks(house: House) -> None:
    adults = Asker(age_restricted=True)
    assert DrawPayload.of(await house.imagine()).check_safety
    open_air = await house.imagining().submit("a cat", **ORIGIN, asker=adults)
    hidden = await house.imagining().submit("a cat", **ORIGIN, asker=adults, private=True)
    assert not DrawPayload.of(open_air).check_safety
    assert DrawPayload.of(hidden).check_safety, "a direct message is not the channel"
    await house.settings.update(GUILD, safety="off")
    request = DrawPayload.of(await house.imagine()).request("1", "/a/model", "/out")
    assert (request.check_safety, request.base, request.previews) == (False, "mini", True)


async def test_a_model_that_goes_while_it_is_asked_for_is_said(house: House) -> None:
    asked = DrawPayload.of(await house.imagining().submit("me", **ORIGIN, model_id=await house.make_model()))
    assert asked.model_id is not None
    await house.owned().delete(asked.model_id, ANN)
    with pytest.raises(Refusal, match="no_such_model"):
        await house.imagining().queue(asked, Asker(), {**ORIGIN})  # type: ignore[typeddict-item]


async def test_a_model_that_is_private_again_draws_nobody_elses_waiting_jobs(
    house: House, recorder: Recorder
) -> None:
    model_id = await house.make_model(ANN)
    await house.models.share(model_id, True)
    theirs = await house.imagining().submit("me", **ORIGIN | {"user_id": BOB}, model_id=model_id)
    mine = await house.imagining().submit("me", **ORIGIN, model_id=model_id)
    await house.owned().share(model_id, ANN, False)
    dispatcher = house.dispatcher(gpu := ScriptedGpu(), recorder)
    await dispatcher.start()
    assert (await house.announced(theirs.id)).error_code == "no_such_model"
    assert (await house.announced(mine.id)).state is JobState.done
    await dispatcher.stop()
    assert [request.id for request in gpu.drawn] == [f"{mine.id}-0"]
