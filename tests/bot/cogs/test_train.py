"""`/train` from the form to the samples, and every way in which it may end otherwise."""

from __future__ import annotations

import sys

import pytest

from bot.app import App
from bot.cards import post_card
from bot.client import LikenessBot
from bot.messenger import Shown
from bot.sandbox import World
from data.jobs import Job, JobState
from tests.bot.face import alt_texts, card_saying, cards, eventually, photos, png, text_of, train
from tests.fakes import ScriptedGpu
from trainer.events import Failed


@pytest.mark.real_intake
async def test_the_form_leads_to_samples_in_prompts(here: World, app: App, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    shown = await here.visitor.slash(here.studio, "train")
    values = {
        "name": "abraza",
        "class": ["person"],
        "photos": photos(10),
        "more_photos": photos(14)[10:],
        "consent": True,
    }
    sheet = await here.visitor.submit_modal(shown, values)
    assert sheet.ephemeral
    assert "14 photos" in text_of(sheet.response)
    assert "unknown yet" in text_of(sheet.response)
    answer = await here.visitor.click(sheet.response, label="Start")

    assert "Took 14 photos" in text_of(answer.response)
    gpu.gate.set()
    samples = await card_saying(here, "Meet abraza (person)")
    assert samples.channel.id == here.prompts.id
    assert len(samples.attachments) == 4
    assert alt_texts(samples)[0] == "Sample 1 of the new model, prompt: photo of abraza person"
    assert "photo of abraza person" in text_of(samples)
    done = await card_saying(here, "I know abraza (person) now")
    (model,) = await app.models.of_user(here.visitor.id, here.guild.id)
    assert f"Learned in {model.steps} steps" in text_of(done)
    assert done.channel.id == here.studio.id
    assert f"<#{here.prompts.id}>" in text_of(done)
    (job,) = await app.jobs.of_user(here.visitor.id)
    assert job.consent_at is not None
    assert job.message_id == done.id


async def test_samples_name_the_prompt_that_was_asked_for(here: World) -> None:
    await train(here, sample_prompt="**me** on a beach")
    samples = await card_saying(here, "Meet abraza (person)")
    assert r"Prompt: \*\*abraza person\*\* on a beach" in text_of(samples)
    assert alt_texts(samples)[3] == "Sample 4 of the new model, prompt: **abraza person** on a beach"


async def test_the_form_keeps_what_the_options_said(here: World) -> None:
    shown = await here.visitor.slash(here.studio, "train", name="mojo", **{"class": "dragon"})

    name, kind = (part["component"] for part in (shown.modal or {})["components"][:2])
    assert name["value"] == "mojo"
    assert [option["value"] for option in kind["options"] if option.get("default")] == ["dragon"]


async def test_attached_photos_need_no_form(here: World, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    answer = await train(here)

    assert answer.modal is None
    assert "Took 3 photos" in text_of(answer.response)
    gpu.gate.set()
    await card_saying(here, "Meet abraza (person)")


@pytest.mark.parametrize("late", [False, True], ids=["tried", "nothing to show"])
@pytest.mark.parametrize(("status", "comes"), [(403, False), (503, True)])
async def test_the_card_of_a_training_that_has_ended_is_promised_only_where_it_comes(
    here: World, app: App, monkeypatch: pytest.MonkeyPatch, status: int, comes: bool, late: bool
) -> None:
    async def told(job_id: int) -> bool:
        job = await app.jobs.get(job_id)
        return job is not None and (job.announced or (comes and job.state.ended))

    async def post_around_the_end(app: App, job: Job, channel_id: int) -> Shown | None:
        try:
            if late:
                await eventually(lambda: told(job.id))
            return await post_card(app, job, channel_id)
        finally:
            await eventually(lambda: told(job.id))

    monkeypatch.setattr(sys.modules["bot.cogs.train"], "post_card", post_around_the_end)
    monkeypatch.setattr(app.dispatcher._announcer, "_first_retry", 0.1)
    monkeypatch.setattr("bot.cards.POST_AGAIN_SECONDS", 0.01)
    place = f"/channels/{here.studio.id}/messages"
    here.env.inject_error("POST", place, status=status, times=1 if comes else None)
    said = text_of((await train(here)).response)
    assert "has ended already" in said
    assert ("Its card comes" in said, "`/models` lists" in said) == (comes, not comes)
    await card_saying(here, "Meet abraza (person)")
    if comes:
        await card_saying(here, "I know abraza (person) now")


async def test_a_training_that_was_erased_before_it_has_a_card_is_not_said_to_wait(
    here: World, app: App, gpu: ScriptedGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def post_after_erasure(app: App, job: Job, channel_id: int) -> Shown | None:
        await app.privacy.erase_person(here.visitor.id)
        return await post_card(app, job, channel_id)

    gpu.gate.clear()
    monkeypatch.setattr(sys.modules["bot.cogs.train"], "post_card", post_after_erasure)
    answer = await train(here)
    assert "That job is not here any more." in text_of(answer.followups[-1])


async def test_progress_is_shown_with_loss_time_and_cancel(here: World, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    await train(here)

    card = await card_saying(here, "loss 0.250")
    assert "about 1 min 15 s left" in text_of(card)
    assert "50%" in text_of(card)
    assert "Cancel" in text_of(card)


async def test_a_waiting_training_tells_its_place_and_moves_up(here: World, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    await train(here)
    await train(here, name="bobo")
    attached = {f"photo{number}": photo for number, photo in enumerate(photos(3), 1)}
    for name in ("zuzu", "kiki"):
        other = here.guild.add_member(here.env.create_user(name))
        sheet = await other.slash(here.studio, "train", name=name, consent=True, **attached)
        await other.click(sheet.response, label="Start")

    assert "kiki" in text_of(await card_saying(here, "Place **2**"))
    gpu.gate.set()
    for name in ("zuzu", "kiki", "bobo"):
        await card_saying(here, f"Meet {name} (person)")


async def test_unusable_photos_and_common_names_are_told_but_stop_nothing(here: World) -> None:
    first = photos(4)
    answer = await here.visitor.slash(
        here.studio,
        "train",
        name="dog",
        consent=True,
        photo1=first[0],
        photo2=first[1],
        photo3=first[2],
        photo4=("copy.png", first[0][1]),
        photo5=("notes.txt", b"no picture at all"),
        photo6=("stamp.png", png(1, side=16)),
    )

    said = text_of(answer.response)
    assert "**3 photos**" in said
    assert "**copy.png** is the same picture" in said
    assert "**notes.txt** is not a picture" in said
    assert "**stamp.png** is too small" in said
    assert "**dog** is an ordinary word" in said


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"consent": False}, "until then I don't look at them"),
        ({"name": "two words"}, "2 to 16 letters and digits"),
        ({"name": ""}, "2 to 16 letters and digits"),
        ({"class": "1!"}, "one or two plain English words"),
        ({"steps": 9000}, "at most 4000 steps"),
    ],
)
async def test_refusals_are_private_sentences(
    here: World, app: App, options: dict[str, object], sentence: str
) -> None:
    answer = await train(here, **options)

    assert answer.ephemeral
    assert sentence in text_of(answer.response)
    assert await app.jobs.of_user(here.visitor.id) == []
    assert not cards(here, "abraza (person)")


async def test_too_few_photos_say_which_were_no_use(here: World) -> None:
    answer = await here.visitor.slash(
        here.studio, "train", name="abraza", consent=True, photo1=photos(1)[0], photo2=("b.txt", b"b" * 99)
    )

    assert answer.ephemeral
    assert "at least 3 usable photos and found 1" in text_of(answer.response)
    assert "**b.txt** is not a picture" in text_of(answer.response)
    assert "Photos that I keep for you: 1." in text_of(answer.response)


async def test_nobody_may_fill_the_queue(here: World, app: App, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    for _ in range(app.config.max_train_jobs):
        await train(here)
    answer = await train(here)

    assert "already have 2 of these" in text_of(answer.response)


async def test_cancel_stops_it_for_its_owner_and_admins_only(here: World, app: App, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    await train(here)
    card = await card_saying(here, "loss 0.250")
    stranger = here.guild.add_member(here.env.create_user("stranger"))

    refused = await stranger.click(card, label="Cancel")
    assert "belongs to somebody else" in text_of(refused.response)
    stopped = await here.visitor.click(card, label="Cancel")
    assert "Stopped" in text_of(stopped.response)
    await card_saying(here, "Stopped learning abraza")
    (job,) = await app.jobs.of_user(here.visitor.id)
    assert job.state is JobState.cancelled


async def test_a_failure_is_told_in_words(here: World, gpu: ScriptedGpu) -> None:
    gpu.train_failure = Failed(code="loss_not_finite", message="The loss is not finite.")
    await train(here)

    card = await card_saying(here, "Could not learn abraza")
    assert "became unstable" in text_of(card)


async def test_an_unknown_failure_keeps_its_own_words(here: World, gpu: ScriptedGpu) -> None:
    gpu.train_failure = Failed(code="something_new", message="The moon was in the way.")
    await train(here)

    assert "The moon was in the way." in text_of(await card_saying(here, "Could not learn abraza"))


async def test_a_deleted_card_stops_nothing(here: World, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    await train(here)
    await here.visitor.delete(await card_saying(here, "loss 0.250"))
    gpu.gate.set()

    await card_saying(here, "I know abraza (person) now")
    await card_saying(here, "Meet abraza (person)")


async def test_discord_trouble_at_the_end_is_tried_again(
    here: World, app: App, gpu: ScriptedGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.dispatcher._announcer, "_first_retry", 0.1)
    gpu.gate.clear()
    await train(here)
    await card_saying(here, "loss 0.250")
    here.env.inject_error("PATCH", f"/channels/{here.studio.id}/messages/*", status=500, times=2)
    here.env.inject_error("POST", f"/channels/{here.prompts.id}/messages", status=503, times=1)
    gpu.gate.set()

    await card_saying(here, "I know abraza (person) now")
    await card_saying(here, "Meet abraza (person)")
    assert await eventually(lambda: _announced(app))


async def test_samples_come_to_the_card_where_no_channel_is_allowed(here: World, app: App) -> None:
    here.env.backend.channels[here.prompts.id].name = "elsewhere"
    for role in here.env.backend.get_guild(here.guild.id).roles.values():
        role.permissions &= ~0x10  # manage channels
    app.bot = LikenessBot(app)
    await here.env.restart_bot(app.bot)
    await train(here)

    samples = await card_saying(here, "Meet abraza (person)")
    assert samples.channel.id == here.studio.id
    await card_saying(here, "I may not write in a samples channel")


async def test_the_toy_selfies_are_one_press_away(here: World, app: App, gpu: ScriptedGpu) -> None:
    from bot.sandbox import _welcome

    gpu.gate.clear()
    await _welcome(app, here)
    answer = await here.visitor.click(await card_saying(here, "Welcome"), label="Train on the toy selfies")

    assert "Took 6 photos" in text_of(answer.response)
    gpu.gate.set()
    await card_saying(here, "Meet abraza (person)")


async def _announced(app: App) -> bool:
    return not await app.jobs.unannounced()
