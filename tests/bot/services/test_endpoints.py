"""Choosing between endpoints and our own device, and drawing there through the queue."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import SecretStr

from data.endpoints import Endpoint
from data.jobs import Job, JobKind, JobState, Lane
from tests.bot.services.house import ANN, BOB, GUILD, House, Recorder, refused
from tests.endpoint_hub import ACCOUNT
from tests.endpoint_server import TOKEN, Container
from tests.fakes import ScriptedGpu

SECRET = SecretStr(TOKEN)


async def put(house: House, container: Container, **values: Any) -> Endpoint:
    asked: dict[str, Any] = {"scope": "user", "scope_id": ANN, "url": container.url, "wait_seconds": 5}
    asked |= {"account": ACCOUNT, **values}
    await house.vault.put(asked["scope"], asked["scope_id"], "endpoint", SECRET)
    return await house.kept_endpoints.put(**asked)


async def drawing(house: House, backend: str = "endpoint", user: int = ANN, prompt: str = "a cat") -> Job:
    payload = (
        f'{{"prompt": "{prompt}", "count": 2, "seed": 7, "steps": 5, "base": "mini", "backend": "{backend}"}}'
    )
    return await house.jobs.create(
        JobKind.draw,
        payload=payload,
        lane=Lane.endpoint,
        user_id=user,
        guild_id=GUILD,
        channel_id=8,
        locale="en",
    )


async def served(house: House, recorder: Recorder, *jobs: Job) -> list[Job]:
    dispatcher = house.dispatcher(ScriptedGpu(), recorder)
    await dispatcher.start()
    ends = [await house.announced(job.id) for job in jobs]
    await dispatcher.stop()
    return ends


async def test_pictures_come_through_the_queue_and_me_is_who_the_endpoint_knows(
    house: House, recorder: Recorder, container: Container
) -> None:
    endpoint = await put(house, container, trigger="zoe woman")
    container.cold = 0.3
    (done,) = await served(house, recorder, await drawing(house, prompt="me on the moon"))
    assert done.state is JobState.done and len(recorder.shown[done.id]) == 2
    assert {picture.prompt for picture in recorder.shown[done.id]} == {"zoe woman on the moon"}
    assert "starting" in {job.phase for job in recorder.changes}
    assert set(container.paid.values()) == {1}
    assert await house.kept_endpoints.usual_seconds(endpoint.id)
    assert await house.kept_endpoints.pictures_since(endpoint.id, 0) == 2


async def test_what_came_before_a_failure_is_kept(
    house: House, recorder: Recorder, container: Container
) -> None:
    await put(house, container)
    container.faults = ["well", "html"]
    (done,) = await served(house, recorder, await drawing(house))
    assert (done.state, done.error_code) == (JobState.done, "endpoint_not_picture")
    assert len(recorder.shown[done.id]) == 1
    assert [file.name for file in house.files.pictures(done.id).iterdir()] == ["0.png"]


async def test_a_restart_while_the_endpoint_draws_pays_for_nothing_twice(
    house: House, recorder: Recorder, container: Container
) -> None:
    await put(house, container)
    container.delay, asked = 0.2, await drawing(house)
    dispatcher = house.dispatcher(ScriptedGpu(), recorder)
    await dispatcher.start()
    while not container.running:
        await asyncio.sleep(0.01)
    await dispatcher.stop()
    (end,) = await served(house, recorder, asked)
    assert (end.state, end.error_code) == (JobState.failed, "endpoint_cut") and len(container.calls) == 1


async def test_a_failure_is_a_code_or_with_auto_our_own_device(
    house: House, recorder: Recorder, container: Container
) -> None:
    await put(house, container)
    container.faults = ["500", "500"]
    failed, drawn = await served(house, recorder, await drawing(house), await drawing(house, "auto"))
    assert (failed.state, failed.error_code) == (JobState.failed, "endpoint_error")
    assert (drawn.state, drawn.lane) == (JobState.done, Lane.gpu)


async def test_a_servers_endpoint_has_a_quota_for_everybody(
    house: House, recorder: Recorder, container: Container
) -> None:
    await put(house, container, scope="guild", scope_id=GUILD, daily_pictures=3)
    first, second = await drawing(house, user=ANN), await drawing(house, user=BOB)
    ends = await served(house, recorder, first, second)
    assert sorted(str(end.error_code) for end in ends) == ["None", "endpoint_quota"]
    assert container.paid.total() == 2
    lane = house.endpoints.lane_for("endpoint", BOB, GUILD, None, count=2)
    assert await refused(lane) == "endpoint_quota"
    assert await house.endpoints.lane_for("endpoint", BOB, GUILD, None, count=1) is Lane.endpoint


async def test_auto_takes_the_shorter_way(house: House, container: Container) -> None:
    service = house.endpoints
    assert await service.lane_for("auto", ANN, GUILD, None) is Lane.gpu
    assert await refused(service.lane_for("endpoint", ANN, GUILD, None)) == "no_endpoint"
    endpoint = await put(house, container)
    assert await service.lane_for("auto", ANN, GUILD, None) is Lane.gpu, "we are free"
    done = await house.imagine(user=BOB)
    await house.jobs.start(done.id)
    await house.jobs.finish(done.id)
    async with house.db.transaction() as tx:
        await tx.execute("UPDATE jobs SET started_at = finished_at - 40 WHERE id = ?", (done.id,))
        await house.kept_endpoints.draw_began(99, endpoint.id, 4, 50, tx)
    await house.kept_endpoints.draw_ended(99, 4, 30)
    waiting = await house.imagine(user=BOB)
    assert await service.lane_for("auto", ANN, GUILD, None) is Lane.endpoint, "40 s here, 30 s there"
    for choice in ({"base": True}, {"init": True}):
        assert await service.lane_for("auto", ANN, GUILD, None, **choice) is Lane.gpu
    assert await service.lane_for("local", ANN, GUILD, None) is Lane.gpu
    await house.jobs.cancel(waiting.id)
    assert await service.lane_for("auto", ANN, GUILD, None) is Lane.gpu


async def test_a_model_is_drawn_only_where_it_is(house: House, container: Container) -> None:
    model = await house.models.get(await house.make_model())
    assert model is not None
    await put(house, container, scope="guild", scope_id=GUILD, model_id=model.id, repository="ann/abraza")
    lane_for = house.endpoints.lane_for
    assert await lane_for("endpoint", ANN, GUILD, model) is Lane.endpoint
    assert await refused(lane_for("endpoint", BOB, GUILD, None)) == "no_such_model", "it is not shared"
    other = await house.models.get(await house.make_model(BOB, "bobby"))
    assert await refused(lane_for("endpoint", BOB, GUILD, other)) == "endpoint_other_model"
    await house.models.delete(model.id)
    assert await refused(lane_for("endpoint", BOB, GUILD, None)) == "no_such_model", "nor is it once deleted"
