"""What the card of a job shows while it works: pictures, the memory plan, and why it waits."""

from __future__ import annotations

import os
from pathlib import Path

import discord
import pytest

from bot.app import App
from bot.sandbox import World
from data.jobs import Job, JobKind
from tests.bot.cogs.test_restart import restarted
from tests.bot.face import alt_texts, card_saying, cards, eventually, text_of, train
from tests.fakes import ScriptedGpu, paint
from trainer.events import Failed

STRIP = "The same words and seed, drawn before the training and at each quarter of it so far"
PREVIEW = "What the model draws for these words at the moment"
LOSS = "Curve of the loss over the steps so far: every report faint, their mean strong"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> ScriptedGpu:
    """A Gpu that waits in the middle of its work, with pictures of it on disk."""
    monkeypatch.setattr("bot.cards.EDIT_SECONDS", 0)
    gpu = ScriptedGpu()
    gpu.preview = True
    gpu.gate.clear()
    return gpu


async def halfway(here: World) -> discord.Message:
    """The card of a training that is on its way."""
    await train(here)
    shown = await eventually(lambda: [one for one in cards(here, "loss 0.250") if one.attachments])
    return shown[-1]


async def job_of(app: App, here: World) -> Job:
    (job,) = await app.jobs.of_user(here.visitor.id)
    return job


def sent(message: discord.Message) -> dict[str, int]:
    """The ids of a message's pictures: one that is sent again has another."""
    return {one.filename: one.id for one in message.attachments}


def redraw(path: Path) -> None:
    """As the trainer does: another picture, later than the others."""
    path.unlink(missing_ok=True)
    paint(path, 0)
    later = max(file.stat().st_mtime_ns for file in path.parent.rglob("*.png")) + 1_000_000
    os.utime(path, ns=(later, later))


async def test_a_training_shows_its_strip_its_loss_and_its_memory_plan(here: World) -> None:
    card = await halfway(here)

    assert alt_texts(card) == [STRIP, LOSS]
    assert "Memory plan lean: full model, bf16, AdamW, about 9.8 of 15.2 GiB free" in text_of(card)
    assert "8-bit AdamW can't run here" in text_of(card)


async def test_only_what_was_drawn_anew_is_sent_again(
    here: World, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    card = await halfway(here)
    before = sent(card)
    job = await job_of(app, here)
    folder = app.files.job(job.id)

    def card_now() -> discord.Message:
        return cards(here, "loss 0.250")[-1]

    redraw(folder / "loss.png")
    await app.cards.job_changed(job)  # shown later where an edit is under way
    await eventually(lambda: sent(card_now())["loss.png"] != before["loss.png"])
    after = sent(card_now())
    assert after["strip.png"] == before["strip.png"]

    redraw(folder / "previews" / "00030.png")
    await app.cards.job_changed(job)
    await eventually(lambda: alt_texts(card_now()) == [STRIP, PREVIEW, LOSS])  # newer than the strip
    assert {name: sent(card_now())[name] for name in after} == after

    here.env.inject_error("PATCH", "/channels/*/messages/*", status=500)
    await app.cards.job_changed(job)
    assert "could not be edited" not in caplog.text, "nothing changed, so nothing was tried"


async def test_changes_that_come_fast_wait_for_the_next_edit(
    here: World, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = await halfway(here)
    job = await job_of(app, here)
    redraw(app.files.job(job.id) / "loss.png")
    monkeypatch.setattr("bot.cards.EDIT_SECONDS", 3600)
    await app.cards.job_changed(job)
    assert sent(cards(here, "loss 0.250")[-1]) == sent(card)


async def test_the_last_of_them_is_shown_in_the_end(
    here: World, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = await halfway(here)
    job = await job_of(app, here)
    monkeypatch.setattr("bot.cards.EDIT_SECONDS", 1)
    await app.cards.job_changed(job)
    redraw(app.files.job(job.id) / "loss.png")
    await app.cards.job_changed(job)
    await eventually(lambda: sent(cards(here, "loss 0.250")[-1])["loss.png"] != sent(card)["loss.png"])


async def test_the_end_keeps_the_whole_strip(here: World, app: App, gpu: ScriptedGpu) -> None:
    card = await halfway(here)
    gpu.gate.set()

    done = await card_saying(here, "I know abraza (person) now")
    assert done.id == card.id
    assert alt_texts(done) == [STRIP]
    assert [one.filename for one in done.attachments] == ["strip.png"]
    assert "Memory plan lean" in text_of(done)
    job = await job_of(app, here)
    assert not app.files.job(job.id).exists()


async def test_a_deleted_card_comes_again_at_the_end_with_the_strip(here: World, gpu: ScriptedGpu) -> None:
    card = await halfway(here)
    await here.visitor.delete(card)
    gpu.gate.set()

    done = await card_saying(here, "I know abraza (person) now")
    assert done.id != card.id
    assert alt_texts(done) == [STRIP]


async def test_a_failed_training_shows_how_far_it_came(here: World, gpu: ScriptedGpu) -> None:
    gpu.train_failure = Failed(code="learned_nothing", message="Nothing was learned.")
    await halfway(here)
    gpu.gate.set()

    assert alt_texts(await card_saying(here, "without having learned anything")) == [STRIP, LOSS]


async def test_a_cancelled_training_leaves_no_picture(here: World, gpu: ScriptedGpu) -> None:
    await here.visitor.click(await halfway(here), label="Cancel")

    assert (await card_saying(here, "Stopped learning abraza")).attachments == []


async def test_pictures_and_plan_outlive_a_restart(here: World, app: App) -> None:
    card = await halfway(here)
    waiting = ScriptedGpu()
    waiting.gate.clear()
    after = await restarted(here, app, waiting)
    try:
        await eventually(lambda: sent(_now(here, card)) not in ({}, sent(card)))
        again = _now(here, card)
        assert alt_texts(again) == [STRIP, LOSS]
        assert "Memory plan lean" in text_of(again)
    finally:
        waiting.gate.set()
        await after.close()


async def test_a_drawing_shows_its_sketch_until_the_pictures_are_there(
    here: World, app: App, gpu: ScriptedGpu
) -> None:
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", seed=7)
    live = (await eventually(lambda: [one for one in cards(here, "Step 25 of 50") if one.attachments]))[-1]
    assert alt_texts(live) == ["What the pictures look like so far"]
    assert gpu.drawn[0].previews
    job = await job_of(app, here)
    (app.files.pictures(job.id) / "preview.jpg").unlink()
    gpu.gate.set()
    assert len((await card_saying(here, "seed 7")).attachments) == 4


async def test_a_drawing_says_what_the_safety_checker_hid(here: World, app: App, gpu: ScriptedGpu) -> None:
    gpu.flagged = (1, 3)
    gpu.gate.set()
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", seed=7)

    assert "Hidden by the safety checker: picture 2, 4" in text_of(await card_saying(here, "seed 7"))
    assert (gpu.drawn[0].check_safety, gpu.drawn[0].base) == (True, "mini")
    job = await job_of(app, here)
    assert [picture.flagged for picture in await app.pictures.of_job(job.id)] == [False, True, False, True]


async def test_who_waits_reads_that_the_queue_is_paused(here: World, app: App, gpu: ScriptedGpu) -> None:
    board = (await here.visitor.slash(here.studio, "queue")).response
    await here.visitor.click(board, label="Pause trainings")
    await train(here)
    paused = await card_saying(here, "An admin paused trainings on this server")
    assert "Next in line" not in text_of(paused)
    await here.visitor.slash(here.studio, "imagine", prompt="a cat")
    await card_saying(here, "Step 25 of 50")
    await here.visitor.slash(here.studio, "imagine", prompt="a dog")
    await card_saying(here, "Next in line…")
    await here.visitor.click(board, label="Pause drawings")
    assert "a dog" in text_of(await card_saying(here, "An admin paused drawings on this server"))

    gpu.gate.set()
    await here.visitor.click(board, label="Open trainings")
    await card_saying(here, "Meet abraza (person)")
    (waiting,) = await app.jobs.queued(JobKind.draw)
    assert "a dog" in waiting.payload, "drawings are paused still"


def _now(here: World, card: discord.Message) -> discord.Message:
    return next(one for one in here.studio.history() if one.id == card.id)
