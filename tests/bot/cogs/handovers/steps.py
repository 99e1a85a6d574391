"""What the tests of exports and publications do again and again."""

from __future__ import annotations

import shutil

import discord
from simcord.results import InteractionResult

from bot.app import App
from bot.sandbox import World
from data.handovers import Handover
from data.jobs import JobKind
from data.models import Method, Model
from inference.bases import MINI
from tests.bot.face import eventually, text_of
from tests.fakes import paint
from tests.hub import WRITE
from tests.models import write_lora

READ_ONLY = "hf_read_only"  # tests.hub's own is shorter than any token
SECONDS = 90.0
"""What a process may take on a busy machine."""


async def trained(app: App, here: World, owner: int, method: Method = "full") -> Model:
    """The mini model, or a LoRA for it, as if it had been trained here; with one sample."""
    job = await app.jobs.create(
        JobKind.train, payload="{}", user_id=owner, guild_id=here.guild.id, channel_id=8, locale="en"
    )
    await app.jobs.start(job.id)
    await app.jobs.finish(job.id)
    await app.jobs.mark_announced(job.id)
    model = await app.models.create(
        owner_id=owner,
        guild_id=here.guild.id,
        name="abraza",
        class_name="person",
        base="mini",
        photos=6,
        steps=9,
        job_id=job.id,
        method=method,
    )
    if method == "lora":
        write_lora(model.path)
    else:
        shutil.copytree(MINI, model.path)
    folder = app.files.pictures(job.id)
    folder.mkdir()
    paint(folder / "0.png", 0)
    await app.pictures.add(
        job_id=job.id,
        idx=0,
        path=folder / "0.png",
        prompt="photo of abraza person",
        seed=1,
        width=8,
        height=8,
    )
    return model


async def publish(
    here: World, token: str = WRITE, repository: str = "abraza", public: bool = False, keep: bool = False
) -> InteractionResult:
    """`/publish` with its form filled in."""
    form = await here.visitor.slash(here.studio, "publish", repository=repository)
    return await here.visitor.submit_modal(form, fields(token, repository, public, keep))


def fields(
    token: str, repository: str = "abraza", public: bool = False, keep: bool = False
) -> dict[str, object]:
    return {"repository": repository, "token": token, "public": public, "keep": keep}


async def saying(answer: InteractionResult, needle: str) -> str:
    """The text of a card once it says so."""

    def look() -> str:
        said = text_of(answer.response)
        return said if needle in said else ""

    return await eventually(look, SECONDS)


def letters(here: World, needle: str) -> list[discord.Message]:
    """Direct messages to the visitor that say so."""
    return [one for one in here.visitor.user.dm_channel.history() if needle in text_of(one)]


async def settled(app: App, number: int = 1) -> Handover:
    """A handover that ended and was told."""

    async def look() -> Handover | None:
        found = await app.handovers.get(number)
        return found if found is not None and found.announced else None

    found = await eventually(look, SECONDS)
    assert found is not None
    return found
