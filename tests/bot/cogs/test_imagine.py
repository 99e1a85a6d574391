"""`/imagine` from the prompt to the pictures, and the buttons of the result."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from bot.app import App
from bot.sandbox import World
from tests.bot.face import alt_texts, card_saying, cards, eventually, text_of, train
from tests.fakes import ScriptedGpu


async def test_the_card_shows_progress_and_then_the_pictures(here: World, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    answer = await here.visitor.slash(
        here.studio, "imagine", prompt="a cat", count=3, seed=7, negative="dogs"
    )

    # The private acknowledgement has gone; what stays is the card that everybody sees.
    assert answer.ephemeral and answer.response is None
    live = await card_saying(here, "Step 25 of 50")
    gpu.gate.set()
    done = await card_saying(here, "seed 7")
    assert done.id == live.id
    assert "without: dogs" in text_of(done)
    assert "Step" not in text_of(done)
    assert alt_texts(done) == [f"Picture {number}: a cat" for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("status", "promised"), [(429, True), (503, True), (400, False), (404, False)], ids=str
)
async def test_another_try_is_promised_only_where_there_is_one(
    here: World, gpu: ScriptedGpu, monkeypatch: pytest.MonkeyPatch, status: int, promised: bool
) -> None:
    monkeypatch.setattr("bot.cards.POST_AGAIN_SECONDS", 0.01)
    here.env.inject_error("POST", "/channels/*/messages", status=status)
    told = text_of((await here.visitor.slash(here.studio, "imagine", prompt="a cat")).response)
    assert "Your drawing is in the queue" in told and ("I will try again" in told) is promised
    assert "when they are ready" in told or promised
    await card_saying(here, "a cat")


async def test_the_live_card_shows_what_there_is_so_far(here: World, app: App, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    gpu.preview = True
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", seed=7)

    live = await eventually(lambda: [one for one in cards(here, "Step 25 of 50") if one.attachments])
    assert alt_texts(live[0]) == ["What the pictures look like so far"]
    gpu.gate.set()
    done = await card_saying(here, "seed 7")
    assert len(done.attachments) == 4


async def test_small_pictures_are_enlarged_and_keep_their_parameters(here: World) -> None:
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", count=1, seed=7)
    (shown,) = (await card_saying(here, "seed 7")).attachments

    with Image.open(io.BytesIO(await shown.read())) as picture:
        assert picture.size == (512, 512)
        assert picture.info["parameters"] == "scripted 0"


async def test_me_is_the_person_whose_model_draws(here: World, app: App, gpu: ScriptedGpu) -> None:
    await train(here)
    await card_saying(here, "Meet abraza")
    await here.visitor.slash(here.studio, "imagine", prompt="me as a pirate", seed=7)

    assert "abraza person as a pirate" in text_of(await card_saying(here, "seed 7"))
    model = await app.models.latest_of(here.visitor.id, here.guild.id)
    assert model is not None
    assert gpu.drawn[-1].model == str(model.path)


async def test_the_base_model_can_be_picked(here: World, gpu: ScriptedGpu) -> None:
    await train(here)
    await card_saying(here, "Meet abraza")
    choices = await here.visitor.autocomplete(here.studio, "imagine", "model", "", prompt="x")

    assert [choice["name"] for choice in choices] == [
        "abraza person (model 1)",
        "The base model (mini), trained on nobody",
    ]
    await here.visitor.slash(here.studio, "imagine", prompt="a house", model=choices[1]["value"], seed=1)
    await card_saying(here, "seed 1")
    assert gpu.drawn[-1].model == "mini"


async def test_a_model_of_somebody_else_is_refused(here: World) -> None:
    answer = await here.visitor.slash(here.studio, "imagine", prompt="a house", model="somebody else")
    assert "not yours" in text_of(answer.response)


async def test_who_has_no_model_is_told_that_me_means_nobody(here: World) -> None:
    answer = await here.visitor.slash(here.studio, "imagine", prompt="me on the moon")

    assert answer.ephemeral
    assert "`/train` changes that" in text_of(answer.response)


async def test_again_draws_anew_for_anyone(here: World, gpu: ScriptedGpu) -> None:
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", seed=7)
    first = await card_saying(here, "seed 7")
    friend = here.guild.add_member(here.env.create_user("friend"))
    await friend.click(first, label="Again")

    again = await eventually(
        lambda: [card for card in cards(here, f"for <@{friend.id}>") if card.attachments]
    )
    assert len(again) == 1 and again[0].id != first.id
    assert gpu.drawn[0].prompt == gpu.drawn[1].prompt
    assert gpu.drawn[0].seed != gpu.drawn[1].seed


async def test_delete_removes_message_and_files_for_the_owner_only(here: World, app: App) -> None:
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", seed=7)
    card = await card_saying(here, "seed 7")
    (job,) = await app.jobs.of_user(here.visitor.id)
    (path, *_) = [picture.path for picture in await app.pictures.of_job(job.id)]
    stranger = here.guild.add_member(here.env.create_user("stranger"))

    refused = await stranger.click(card, label="Delete")
    assert "belongs to somebody else" in text_of(refused.response)
    assert path.exists()
    await here.visitor.click(card, label="Delete")
    await eventually(lambda: not cards(here, "seed 7"))
    assert not path.exists()


async def test_a_failure_is_told_and_can_be_tried_again(here: World, gpu: ScriptedGpu) -> None:
    gpu.draw_failure = "out_of_memory"
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", seed=7)

    card = await card_saying(here, "The graphics memory is too small")
    gpu.draw_failure = None
    await here.visitor.click(card, label="Again")
    await eventually(lambda: [card for card in cards(here, "a cat") if card.attachments])


@pytest.mark.parametrize(
    "prompt",
    [
        "@everyone **bold** [link](http://x.example) `code`\n# title",
        "🐈" * 300,
        "\u202eright to left",
        "x" * 1000,
    ],
)
async def test_a_prompt_can_not_ping_format_or_break_the_card(here: World, prompt: str) -> None:
    await here.visitor.slash(here.studio, "imagine", prompt=prompt, seed=7)

    card = await card_saying(here, "seed 7")
    assert "@everyone" not in text_of(card)
    assert "**bold**" not in text_of(card)
    assert not card.mention_everyone


async def test_a_bot_that_may_not_speak_here_says_so(here: World) -> None:
    import discord

    muted = here.guild.create_text_channel(
        "muted", overwrites={here.guild.default_role: discord.PermissionOverwrite(attach_files=False)}
    )
    bot_role = next(role for name, role in here.guild.roles.items() if name == "Likeness")
    here.env.backend.channels[muted.id].overwrites[0].target_id = bot_role.id
    answer = await here.visitor.slash(muted, "imagine", prompt="a cat")

    assert answer.ephemeral
    assert "I am not allowed to show cards in this channel" in text_of(answer.response)
