"""Every button under a drawing, pressed by its owner, by others, and when it is too late."""

from __future__ import annotations

import discord
import pytest
from simcord.actors import MemberActor

from bot.app import App
from bot.sandbox import World
from bot.services.draw_payload import DrawPayload
from data.jobs import Job
from data.personal import Personal
from tests.bot.cogs.test_restart import restarted
from tests.bot.face import alt_texts, card_saying, cards, eventually, parts_of, text_of, train
from tests.fakes import ScriptedGpu


async def drawn(here: World, prompt: str = "a cat", **wishes: object) -> discord.Message:
    """A result's card."""
    await here.visitor.slash(here.studio, "imagine", prompt=prompt, seed=7, **wishes)
    return await card_saying(here, "seed 7")


async def next_job(app: App, after: int) -> Job:
    """The job that a press made, once it is done."""

    async def look() -> Job | None:
        job = await app.jobs.get(after + 1)
        return job if job is not None and job.announced else None

    found = await eventually(look)
    assert found is not None
    return found


def friend_of(here: World, name: str = "friend") -> MemberActor:
    return here.guild.add_member(here.env.create_user(name))


async def test_a_result_has_all_its_buttons_and_room_to_spare(here: World) -> None:
    card = await drawn(here)
    labels = [part["label"] for part in parts_of(card) if part.get("label")]
    each = [f"{verb} {number}" for verb in ("Vary", "Upscale") for number in range(1, 5)]
    assert labels == ["Again", "New seed", "Edit prompt", "Details", *each, "Share", "Delete", "Report"]
    assert len(parts_of(card)) <= 40


async def test_new_seed_draws_elsewhere_and_again_goes_on(here: World, app: App) -> None:
    card = await drawn(here)
    await here.visitor.click(card, label="Again")
    assert DrawPayload.of(await next_job(app, 1)).seed == 11
    await here.visitor.click(card, label="New seed")
    assert DrawPayload.of(await next_job(app, 2)).seed not in (7, 11)


async def test_edit_shows_the_words_and_draws_others(here: World, app: App) -> None:
    card = await drawn(here, negative="dogs")
    form = await here.visitor.click(card, label="Edit prompt")
    fields = [part["component"] for part in (form.modal or {})["components"]]
    assert [field.get("value") for field in fields] == ["a cat", "dogs"]
    await here.visitor.submit_modal(form, {"prompt": "a cat with a hat", "negative": ""})
    edited = DrawPayload.of(await next_job(app, 1))
    assert (edited.prompt, edited.negative, edited.seed) == ("a cat with a hat", "", 7)
    refused = await here.visitor.submit_modal(
        await here.visitor.click(card, label="Edit prompt"), {"prompt": "a naked cat", "negative": ""}
    )
    assert "naked" in text_of(refused.response)


async def test_vary_and_upscale_begin_with_the_picture(here: World, app: App, gpu: ScriptedGpu) -> None:
    card = await drawn(here)
    pictures = await app.pictures.of_job(1)
    await here.visitor.click(card, label="Vary 2")
    await next_job(app, 1)
    assert (gpu.drawn[-1].init, gpu.drawn[-1].count) == (str(pictures[1].path), 4)
    await here.visitor.click(card, label="Upscale 3")
    await next_job(app, 2)
    asked = gpu.drawn[-1]
    assert (asked.init, asked.count, asked.width, asked.height) == (str(pictures[2].path), 1, 256, 256)


async def test_a_picture_that_goes_while_its_variation_waits_ends_kindly(
    here: World, app: App, gpu: ScriptedGpu
) -> None:
    card = await drawn(here)
    gpu.gate.clear()
    await here.visitor.slash(here.studio, "imagine", prompt="a dog", seed=1)
    await here.visitor.click(card, label="Vary 1")
    await here.visitor.click(card, label="Delete")
    gpu.gate.set()
    await card_saying(here, "That picture is not here any more")


async def test_details_say_everything(here: World) -> None:
    card = await drawn(here, negative="dogs", style="oil-painting", size="portrait", steps=20)
    said = text_of((await friend_of(here).click(card, label="Details")).response)
    for fact in ("oil painting of a cat", "dogs", "oil-painting", "portrait", "`7`, `8`", "20", "7.5"):
        assert fact in said
    assert "**Model** mini" in said and "**Drawn on** this machine" in said


async def test_others_may_not_draw_with_a_private_model(here: World, app: App) -> None:
    await train(here)
    await card_saying(here, "Meet abraza")
    card = await drawn(here, "me as a king")
    friend = friend_of(here)
    for label in ("Again", "New seed", "Vary 1", "Upscale 1"):
        refused = await friend.click(card, label=label)
        assert "belongs to somebody else" in text_of(refused.response)
    form = await friend.click(card, label="Edit prompt")
    refused = await friend.submit_modal(form, {"prompt": "a king", "negative": ""})
    assert "belongs to somebody else" in text_of(refused.response)
    model = await app.models.latest_of(here.visitor.id, here.guild.id)
    assert model is not None
    await app.models.share(model.id, True)
    await friend.click(card, label="Again")
    await eventually(lambda: [one for one in cards(here, f"for <@{friend.id}>") if one.attachments])


async def test_what_is_deleted_says_so_whatever_is_pressed(here: World, app: App) -> None:
    card = await drawn(here)
    await app.imagining.delete(1)
    for label in ("Vary 1", "Upscale 1", "Share"):
        refused = await here.visitor.click(card, label=label)
        assert "not here any more" in text_of(refused.response)
    async with app.db.transaction() as tx:
        await Personal(app.db).erase("user", here.visitor.id, tx)
    for label in ("Again", "New seed", "Edit prompt", "Details", "Delete"):
        refused = await here.visitor.click(card, label=label)
        assert "not here any more" in text_of(refused.response)


async def test_a_moderator_may_delete_what_others_drew(here: World, app: App) -> None:
    card = await drawn(here)
    role = here.guild.create_role("mods", permissions=discord.Permissions(manage_messages=True))
    moderator = here.guild.add_member(here.env.create_user("mod"), roles=[role])
    said = await moderator.click(card, label="Delete")
    assert "pictures are gone" in text_of(said.response)
    assert await app.pictures.of_job(1) == []
    await eventually(lambda: not cards(here, "seed 7"))


async def test_a_private_result_reaches_the_person_alone(here: World, app: App) -> None:
    answer = await here.visitor.slash(here.studio, "imagine", prompt="my secret", seed=7, private=True)
    assert answer.ephemeral and "direct message" in text_of(answer.response)
    inbox = here.visitor.user.dm_channel

    def arrived() -> list[discord.Message]:
        return [message for message in inbox.history() if message.attachments]

    (card,) = await eventually(arrived)
    assert "my secret" in text_of(card) and not cards(here, "my secret")
    await here.visitor.user.click(card, label="Again")
    again = DrawPayload.of(await next_job(app, 1))
    assert again.private and not cards(here, "my secret")
    await here.visitor.user.click(card, label="Delete")
    await eventually(lambda: card.id not in [message.id for message in arrived()])


async def test_a_private_drawing_is_stopped_by_its_card_and_secret_to_who_else_stops_it(
    here: World, app: App, gpu: ScriptedGpu
) -> None:
    gpu.gate.clear()
    friend = friend_of(here)
    await friend.slash(here.studio, "imagine", prompt="my secret", private=True)
    (card,) = await eventually(lambda: list(friend.user.dm_channel.history()))
    await friend.slash(here.studio, "imagine", prompt="another secret", private=True)
    stopped = await friend.user.click(card, label="Cancel")
    assert "Stopped" in text_of(stopped.response)
    said = text_of((await here.visitor.slash(here.studio, "cancel", job=2)).response)
    assert "Stopped" in said and "secret" not in said


async def test_closed_direct_messages_are_said_and_nothing_is_drawn(here: World, app: App) -> None:
    here.env.inject_error("POST", f"/channels/{here.visitor.user.dm_channel.id}/messages", status=403)
    answer = await here.visitor.slash(here.studio, "imagine", prompt="my secret", private=True)
    assert "direct messages are closed" in text_of(answer.response)
    assert [job.state for job in await app.jobs.of_user(here.visitor.id)] == ["cancelled"]
    assert not cards(here, "my secret")


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        ({"prompt": "x" * 4000}, "4000 characters long; I read at most 1000"),
        ({"prompt": "   "}, "say what to draw"),
        ({"prompt": "a cat", "style": "cubism"}, "no style **cubism**"),
        ({"prompt": "a cat", "model": "sd15"}, "not yours"),
        ({"prompt": "a cat", "steps": 150}, "must lie between 1 and 100"),
        ({"prompt": "a cat", "backend": "endpoint"}, "endpoint"),
    ],
)
async def test_what_can_not_be_drawn_is_said(
    here: World, app: App, wishes: dict[str, object], sentence: str
) -> None:
    answer = await here.visitor.slash(here.studio, "imagine", **wishes)
    assert answer.ephemeral and sentence in text_of(answer.response)
    assert await app.jobs.of_user(here.visitor.id) == []


async def test_words_that_the_model_never_reads_are_named(here: World) -> None:
    answer = await here.visitor.slash(here.studio, "imagine", prompt="red " * 75 + "blue hat", seed=7)
    assert answer.ephemeral and "does not see the end: “blue hat”" in text_of(answer.response)
    await card_saying(here, "seed 7")


async def test_the_guilds_limits_and_defaults_hold(here: World, app: App, gpu: ScriptedGpu) -> None:
    await app.settings.update(here.guild.id, max_count=2, default_draw_steps=9, default_size="landscape")
    await drawn(here)
    assert (gpu.drawn[-1].count, gpu.drawn[-1].steps, gpu.drawn[-1].width) == (2, 9, 144)
    await app.settings.update(here.guild.id, imagine_roles=(123,))
    friend = friend_of(here)
    refused = await friend.slash(here.studio, "imagine", prompt="a cat")
    assert refused.ephemeral and len(await app.jobs.of_user(friend.id)) == 0


async def test_styles_are_offered_and_put_around_the_prompt(here: World) -> None:
    offered = await here.visitor.autocomplete(here.studio, "imagine", "style", "pixel", prompt="x")
    assert [choice["value"] for choice in offered] == ["pixel-art"]
    card = await drawn(here, style="pixel-art")
    assert "pixel art of a cat" in text_of(card)
    assert alt_texts(card)[0] == "Picture 1: pixel art of a cat"


async def test_the_new_buttons_work_after_a_restart(here: World, app: App, gpu: ScriptedGpu) -> None:
    card = await drawn(here)
    after = await restarted(here, app, gpu)
    try:
        await here.visitor.click(card, label="Vary 1")
        await next_job(after, 1)
        await here.visitor.click(card, label="Share")
        asked = await here.visitor.click(card, label="Details")
        assert "Drawing 1" in text_of(asked.response)
    finally:
        await after.close()
