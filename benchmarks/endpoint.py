"""`python -m benchmarks.endpoint`: the real queue draws at an endpoint that fails a fifth of its calls.

It behaves as Hugging Face's container does: its port is closed while it loads, it draws one picture at a
time, and where it dies over a picture it has to start anew. Says how many were drawn, failed with a reason,
were lost, and were paid for twice; the server counts.
With `--published` a saved model is drawn there by plain diffusers, after a cold start of `--cold` seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bot.services.draw_payload import DrawPayload
from bot.services.endpoints import PURPOSE
from data.cores import share_cores
from data.database import Database
from data.files import FileStore
from data.jobs import Job, JobKind, Lane
from inference.bases import locate
from inference.endpoint_calls import Limits
from tests.bot.services.house import House, Recorder
from tests.endpoint_server import TOKEN, Container, Draw, flat
from tests.fakes import ScriptedGpu

GUILD = 7
PEOPLE = 20
FAULTS = ("loading", "busy", "503", "400", "429", "500", "html", "broken", "cut", "small", "jpeg", "died")
_LOAD_SECONDS = 1.0
_DRAW_SECONDS = 0.02


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endpoint", description=__doc__)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--faults", type=float, default=0.2, help="share of the calls that meet one")
    parser.add_argument("--published", action="store_true", help="one request, drawn by plain diffusers")
    parser.add_argument("--model", default="mini", help="what --published draws with")
    parser.add_argument("--cold", type=float, default=0, help="seconds that the endpoint starts")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    share_cores()
    return asyncio.run(_measure(arguments))


async def _measure(arguments: argparse.Namespace) -> int:
    requests = 1 if arguments.published else arguments.requests
    dice = random.Random(arguments.seed)
    faults = [
        dice.choice(FAULTS) if dice.random() < arguments.faults else "well" for _ in range(3 * requests)
    ]
    container = Container(
        cold=arguments.cold if arguments.published else _LOAD_SECONDS,
        faults=[] if arguments.published else faults,
        delay=0 if arguments.published else _DRAW_SECONDS,
        draw=diffusers(arguments.model) if arguments.published else flat,
    )
    with tempfile.TemporaryDirectory() as home:
        files = FileStore(Path(home))
        db = await Database.open(files.database)
        house = House(db, files)
        if arguments.published:
            house.client.calls.limits = Limits()
        async with container.served(loading=True):
            recorder, began = Recorder(), time.monotonic()
            opened = asyncio.create_task(_open(container))
            ends = await _draw(house, recorder, container, requests, arguments.steps)
            seconds = time.monotonic() - began
            await opened
            await house.client.close()
            await db.close()
            waits = [job.step for job in recorder.changes if job.phase == "starting"]
    codes = Counter(str(job.error_code) for job in ends if job.error_code)
    pictures = sum(len(shown) for shown in recorder.shown.values())
    print(f"requests                 {len(ends)} in {seconds:.1f} s")
    print(f"calls                    {len(container.calls)}, most at once {container.most}")
    print(f"questions for health     {container.looks}, which cost nothing")
    print(f"drawn                    {sum(job.state == 'done' for job in ends)}, pictures {pictures}")
    print(f"failed with a reason     {sum(job.state == 'failed' for job in ends)} {dict(codes)}")
    print(f"lost                     {requests - len(ends)}")
    print(f"paid for                 {container.paid.total()}")
    print(f"paid for twice           {container.paid.total() - len(container.paid)}")
    print(f"longest start shown      {max(waits, default=0)} s")
    return 0


async def _open(container: Container) -> None:
    await asyncio.sleep(_LOAD_SECONDS)
    await container.open()


async def _draw(
    house: House, recorder: Recorder, container: Container, requests: int, steps: int
) -> list[Job]:
    """Every job's end; one that never ends runs into a time limit."""
    await house.vault.put("guild", GUILD, PURPOSE, SecretStr(TOKEN))
    await house.kept_endpoints.put(
        "guild", GUILD, url=container.url, account="bench", wait_seconds=900, repository="bench/model"
    )
    jobs = []
    for number in range(requests):
        payload = DrawPayload(
            prompt="portrait of a woman with red hair",
            count=1,
            steps=steps,
            seed=number,
            base="mini",
            backend="endpoint",
        )
        jobs.append(
            await house.jobs.create(
                JobKind.draw,
                payload=payload.model_dump_json(),
                lane=Lane.endpoint,
                user_id=number % PEOPLE + 1,
                guild_id=GUILD,
                channel_id=8,
                locale="en",
            )
        )
    dispatcher = house.dispatcher(ScriptedGpu(), recorder)
    await dispatcher.start()
    ends = []
    try:
        async with asyncio.timeout(900):
            for job in jobs:
                while not (await house.job(job.id)).announced:  # noqa: ASYNC110  # it is only seen from outside
                    await asyncio.sleep(0.02)
                ends.append(await house.job(job.id))
    except TimeoutError:
        pass
    await dispatcher.stop()
    return ends


def diffusers(model: str) -> Draw:
    """What Hugging Face's container does: the plain pipeline of a saved model, one call at a time."""
    lock = asyncio.Lock()
    loaded: list[Any] = []

    def draw(asked: dict[str, Any]) -> bytes:
        import torch
        from diffusers import StableDiffusionPipeline

        if not loaded:
            loaded.append(
                StableDiffusionPipeline.from_pretrained(
                    str(locate(model)), safety_checker=None, requires_safety_checker=False
                )
            )
        values = dict(asked["parameters"])
        generator = torch.Generator().manual_seed(values.pop("seed"))
        image = loaded[0](asked["inputs"], generator=generator, **values).images[0]
        content = io.BytesIO()
        image.save(content, "PNG")
        return content.getvalue()

    async def locked(asked: dict[str, Any]) -> bytes:
        async with lock:
            return await asyncio.to_thread(draw, asked)

    return locked


if __name__ == "__main__":
    raise SystemExit(main())
