"""Many people at once: each asks for a drawing of their own, in one channel."""

from __future__ import annotations

from typing import NamedTuple

from simcord.actors import MemberActor

from bot.app import App
from data.jobs import Job
from tests.bot.face import cards, eventually
from tests.standin.server import StandIn


class Drawn(NamedTuple):
    """What became of a wish: its job when it was over, and the messages in the channel that are about it."""

    job: Job
    cards: list[int]
    with_pictures: list[int]


def people(there: StandIn, count: int) -> list[MemberActor]:
    """New members of the server."""
    env, guild = there.world.env, there.world.guild
    return [guild.add_member(env.create_user(f"person {number}")) for number in range(count)]


async def burst(app: App, there: StandIn, count: int, seconds: float) -> list[Drawn]:
    """`/imagine` by `count` people at once; how each ended, once all are over and told of."""
    world = there.world
    crowd = people(there, count)
    for number, person in enumerate(crowd):
        await person.slash(world.studio, "imagine", prompt=_prompt(number), steps=1, count=1)

    async def over() -> list[Job]:
        jobs: list[Job] = []
        for person in crowd:
            mine = await app.jobs.of_user(person.id)
            if not mine or not mine[0].announced:
                return []
            jobs += mine
        return jobs

    ended: list[Job] = await eventually(over, seconds)
    shown = [cards(world, _prompt(number)) for number in range(count)]
    return [
        Drawn(job, [card.id for card in mine], [card.id for card in mine if card.attachments])
        for job, mine in zip(ended, shown, strict=True)
    ]


def _prompt(number: int) -> str:
    return f"a cat with the number {number:03}"
