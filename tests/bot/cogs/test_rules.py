"""Everything that can be pressed, chosen or sent, tried by everybody who has no business with it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import discord
import pytest
from discord import ui
from simcord.actors import MemberActor, _dispatch_actor_interaction
from simcord.builders import ChannelHandle, UserHandle
from simcord.enums import InteractionType
from simcord.results import InteractionResult

from bot.app import App
from bot.sandbox import World
from bot.services.draw_payload import DrawPayload
from bot.services.endpoint_deploys import Offer
from bot.services.endpoint_hub import Hardware
from bot.services.imagining import MEMBER
from bot.services.wish import Wish
from bot.ui.buttons import PRESSES, CardButton
from bot.ui.forms import FORMS
from bot.ui.look import Accent, card
from bot.ui.selects import CHOICES, CardChannelSelect, CardRoleSelect, CardSelect
from bot.ui.settings_panel import CHANNELS, OPTIONS, ROLES, SECTIONS
from bot.ui.train_sheet import CropSelect
from data.drafts import Crop, Drafts
from data.jobs import JobKind
from tests.bot.cogs.handovers.steps import trained
from tests.bot.face import parts_of, text_of
from tests.fakes import paint

SECRET = "xyzzy"
"""Stands in everything that is somebody's own; nobody else may read it."""

THEIRS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("again", "newseed", "edit", "vary", "upscale", "details", "share", "delete", "report"),
        ("private", "hidden"),
    ),
    "cancel": ("private", "waiting"),
    **dict.fromkeys(("works", "fails", "tryon"), ("shared",)),
    **dict.fromkeys(
        ("model", "prefer", "sharemodel", "renamemodel", "forget", "publish", "export"), ("model",)
    ),
    **dict.fromkeys(("public", "stophandover"), ("handover",)),
    **dict.fromkeys(("start", "photos", "discard", "agree", "retry", "default"), ("draft",)),
    **dict.fromkeys(("takedown", "dismiss"), ("complaint",)),
    "deploy": ("offer",),
    "promptssearch": ("search",),
    **dict.fromkeys(("switch", "setting", "queuetrain", "queuedraw"), ("server",)),
}
"""Whose row each verb is tried on."""

OPEN = {
    *("help", "models", "styles", "queue", "download", "erase"),
    *("promptstop", "promptsnew", "promptsmine"),
}
"""Verbs that act for the presser alone: anybody may, and still sees nothing of others and changes nothing."""

ELSEWHERE = {"selfies", "connect"}
"""What changes only the presser's own: a training, an endpoint; tested with those."""

FORMS_ON = {
    **dict.fromkeys(("edit", "report"), ("private", "hidden")),
    **dict.fromkeys(("rename", "publish"), ("model",)),
    "train": ("draft",),
    **dict.fromkeys(("setting", "quota", "connectserver"), ("server",)),
}
"""Whose row each form is sent for."""

FILLED = ("prompt", "negative", "reason", "title", "repository", "token", "name", "words", "daily_trainings")

MENUS = {"section", "front", "quota", *CHANNELS, *OPTIONS, *(f"{name}_roles" for name in ROLES)}

Who = MemberActor | UserHandle


@dataclass(frozen=True)
class Scene:
    """Ann's things on the studio's server, and the people who try to get at them."""

    ids: dict[str, int]
    tries: list[tuple[Who, ChannelHandle]]


@pytest.fixture
async def scene(here: World, app: App) -> Scene:
    guild = app.bot.get_guild(here.guild.id)
    assert guild is not None
    ann = here.guild.add_member(here.env.create_user("ann"))
    stranger = here.guild.add_member(here.env.create_user("stranger"))
    admins = here.guild.create_role("admins", permissions=discord.Permissions(manage_guild=True))
    ex_admin = here.guild.add_member(here.env.create_user("ex"), roles=[admins])
    nobody_looks = discord.PermissionOverwrite(view_channel=False)
    hidden = here.guild.create_text_channel("hidden", overwrites={guild.default_role: nobody_looks})
    other = here.env.create_guild("Another server")
    elsewhere, ann_elsewhere = other.create_text_channel("lobby"), other.add_member(ann.user)
    await app.settings.update(here.guild.id, queue_draw="paused", queue_train="paused")
    ids = await things(app, here, ann.id, hidden.id)
    await trained(app, here, stranger.id)  # what they lack is no reason to refuse them
    role = guild.get_role(admins.id)
    assert role is not None
    await role.edit(permissions=discord.Permissions.none())
    tries: list[tuple[Who, ChannelHandle]] = [
        (stranger, here.studio),
        (ex_admin, here.studio),
        (ann_elsewhere, elsewhere),
        (stranger.user, stranger.user.dm_channel),
    ]
    return Scene(ids, tries)


async def test_who_has_no_business_with_it_sees_nothing_and_changes_nothing(app: App, scene: Scene) -> None:
    known = {*THEIRS, *OPEN, *FORMS_ON, *ELSEWHERE}
    assert known == PRESSES.names | FORMS.names, "a new verb or form says here on what it is tried"
    assert CHOICES.names == MENUS, "so does a new menu"
    wrong, before = [], _rows(app)
    for who, where in scene.tries:
        for item in _everything(scene, who, where):
            said, refused = await _use(app, who, where, item)
            leaked = SECRET in said or "went wrong on my side" in said
            open_to_all = isinstance(item, CardButton) and item.verb in OPEN
            after = _rows(app)
            if leaked or before != after or not (refused or open_to_all):
                name = item if isinstance(item, str) else item.item.custom_id
                wrong.append((who.name, where.name, name, said, before ^ after))
            before = after
    assert wrong == []


def _everything(scene: Scene, who: Who, where: ChannelHandle) -> Iterator[Any]:
    """Every button, menu and form, the forms by their ids, on everything of Ann's."""
    for name, rows in FORMS_ON.items():
        yield from (f"form:{name}:{scene.ids[row]}:1" for row in rows)
    for verb, rows in THEIRS.items():
        for row in rows:
            yield CardButton(verb, scene.ids[row], 0 if verb == "switch" else 1)
    yield from (CardButton(verb, 0) for verb in OPEN)
    yield CropSelect(scene.ids["draft"], "en", [Crop(1), Crop(2)])
    for name in MENUS - {"front"} - {*CHANNELS} - {"quota", *(f"{name}_roles" for name in ROLES)}:
        value = OPTIONS.get(name, SECTIONS)[-1]
        yield CardSelect(name, [discord.SelectOption(label="x", value=value)])
    yield CardSelect("front", [discord.SelectOption(label="x", value=str(scene.ids["waiting"]))])
    if isinstance(who, MemberActor):  # nobody can choose these in a direct message
        yield from map(CardChannelSelect, CHANNELS)
        yield from map(CardRoleSelect, ("quota", *(f"{name}_roles" for name in ROLES)))


async def _use(app: App, who: Who, where: ChannelHandle, item: Any) -> tuple[str, bool]:
    """What somebody is told who uses this, and whether that was a refusal."""
    result = await (_send if isinstance(item, str) else _press)(app, who, where, item)
    answers = [one for one in (result.response, *result.followups) if one is not None]
    said = "\n".join([*map(text_of, answers), str(result.modal or "")])
    stripes = [part.get("accent_color") for answer in answers for part in parts_of(answer)]
    return said, Accent.failed in stripes


async def _send(app: App, who: Who, where: ChannelHandle, custom_id: str) -> InteractionResult:
    """Send a filled form that nobody opened."""
    fields = [{"type": 4, "custom_id": name, "value": "12345678"} for name in FILLED]
    chosen = {"type": 3, "custom_id": "class", "values": ["person"]}
    labels = [{"type": 18, "component": field} for field in (*fields, chosen)]
    data = {"custom_id": custom_id, "components": labels}
    return await _dispatch_actor_interaction(who, InteractionType.MODAL_SUBMIT, where, data)


async def _press(app: App, who: Who, where: ChannelHandle, item: Any) -> InteractionResult:
    """Use a button or menu of a message that stands where this person is."""
    row: ui.ActionRow[Any] = ui.ActionRow(item)
    message = await app.bot.get_partial_messageable(where.id).send(view=card(Accent.working, row))
    if isinstance(item, CardButton):
        return await who.click(message, custom_id=item.item.custom_id)
    return await who.select(message, [_choice(item, who, where)], custom_id=item.item.custom_id)


def _choice(item: Any, who: Who, where: ChannelHandle) -> Any:
    if isinstance(item, CardChannelSelect):
        return where
    if isinstance(item, CardRoleSelect) and isinstance(who, MemberActor):
        return who.guild.default_role
    return item.item.options[0].value


def _rows(app: App) -> set[str]:
    """All that the database holds."""
    with closing(sqlite3.connect(app.files.database)) as connection:
        return set(connection.iterdump())


async def things(app: App, here: World, ann: int, hidden: int) -> dict[str, int]:
    """One of everything that somebody can have, by what the cases call it."""
    model = await trained(app, here, ann)
    origin: Any = {"user_id": ann, "guild_id": here.guild.id, "locale": "en"}
    ids = {"model": model.id, "server": 0, "offer": 5}
    for name, channel_id in (("private", 8), ("hidden", hidden), ("waiting", hidden)):
        asked = DrawPayload(
            prompt=SECRET,
            negative=SECRET,
            seed=1,
            base="mini",
            private=name == "private",
            width=64,
            height=64,
        )
        job = await app.jobs.create(
            JobKind.draw, payload=asked.model_dump_json(), channel_id=channel_id, **origin
        )
        ids[name] = job.id
        if name == "waiting":
            break
        await app.jobs.start(job.id)
        await app.jobs.finish(job.id)
        await app.jobs.mark_announced(job.id)
        app.files.pictures(job.id).mkdir()
        for index in (0, 1):
            path = app.files.pictures(job.id) / f"{index}.png"
            paint(path, index)
            await app.pictures.add(
                job_id=job.id, idx=index, path=path, prompt=SECRET, seed=1, width=64, height=64
            )
    job = await app.jobs.get(ids["hidden"])
    assert job is not None
    shared = await app.gallery.share(job.id, 0, ann, MEMBER, age_restricted=False)
    await app.gallery.posted(shared.id, hidden, 9)
    ids["search"] = await app.gallery.search(here.guild.id, ann, SECRET)
    complaint = await app.reporting.file(job, 1, reporter_id=ann, reason=SECRET, locale="en")
    async with app.db.transaction() as tx:
        draft = await Drafts(app.db).create(
            wish=Wish(name=SECRET).model_dump_json(),
            crops=[Crop(number) for number in (1, 2, 3)],
            notices=(),
            consent_at=1.0,
            tx=tx,
            channel_id=hidden,
            **origin,
        )
        handover = await app.handovers.create(
            "publish", "asked", model_id=model.id, repository=f"ann/{SECRET}", public=True, tx=tx, **origin
        )
    assert handover is not None
    app.files.draft(draft.id).mkdir()
    for place in range(3):
        paint(app.files.draft(draft.id) / f"{place}.png", place)
    machine = Hardware("t4", "aws", "us", "gpu", "t4", "x1", 0.5)
    app.endpoint_deploys._offers[ids["offer"]] = Offer(
        "guild", here.guild.id, f"ann/{SECRET}", SECRET, model.id, machine, "ann", time.monotonic() + 600
    )
    return ids | {"shared": shared.id, "complaint": complaint.id, "draft": draft.id, "handover": handover.id}
