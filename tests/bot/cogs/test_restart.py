"""Cards and buttons outlive the process that posted them."""

from __future__ import annotations

from pathlib import Path

from bot.app import App
from bot.config import Config
from bot.sandbox import World, _move_in
from tests.bot.face import card_saying, cards, eventually, text_of, train
from tests.fakes import ScriptedGpu


async def restarted(here: World, app: App, gpu: ScriptedGpu) -> App:
    """The same home and the same Discord, another process."""
    await app.close()
    after = App(Config(_env_file=None, home=app.config.home), gpu=gpu)
    await after.start()
    await here.env.restart_bot(after.bot)
    return after


async def test_a_running_training_goes_on_and_its_card_too(here: World, app: App, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    await train(here)
    card = await card_saying(here, "loss 0.250")
    after = await restarted(here, app, ScriptedGpu())
    try:
        done = await card_saying(here, "I know abraza (person) now")
        assert done.id == card.id
        await card_saying(here, "Meet abraza (person)")
    finally:
        await after.close()


async def test_old_buttons_work(here: World, app: App, gpu: ScriptedGpu) -> None:
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", seed=7)
    card = await card_saying(here, "seed 7")
    after = await restarted(here, app, gpu)
    try:
        await here.visitor.click(card, label="Again")
        await eventually(lambda: len([shown for shown in cards(here, "a cat") if shown.attachments]) == 2)
        await here.visitor.click(card, label="Delete")
        await eventually(lambda: card.id not in [shown.id for shown in cards(here, "a cat")])
    finally:
        await after.close()


async def test_an_end_that_nobody_was_told_is_told_after_the_restart(
    here: World, app: App, gpu: ScriptedGpu
) -> None:
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", seed=7)
    await card_saying(here, "seed 7")
    (job,) = await app.jobs.of_user(here.visitor.id)
    async with app.db.transaction() as tx:
        await tx.execute("UPDATE jobs SET announced = 0, message_id = NULL WHERE id = ?", (job.id,))
    after = await restarted(here, app, gpu)
    try:
        await eventually(lambda: len(cards(here, "seed 7")) == 2)
        assert await eventually(lambda: _told(after))
    finally:
        await after.close()


async def test_a_button_of_another_version_says_so(here: World, app: App) -> None:
    from discord import ui

    from bot.ui.buttons import CardButton
    from bot.ui.look import Accent, card

    row: ui.ActionRow[ui.LayoutView] = ui.ActionRow(CardButton("vanished", 1, label="Old"))
    channel = app.bot.get_partial_messageable(here.studio.id)
    message = await channel.send(view=card(Accent.waiting, "old card", row))
    answer = await here.visitor.click(message, label="Old")

    assert "a version of me that is gone" in text_of(answer.response)


async def test_a_new_world_gets_cards_for_the_jobs_of_the_old_one(
    here: World, app: App, gpu: ScriptedGpu, tmp_path: Path
) -> None:
    gpu.gate.clear()
    await train(here)
    await card_saying(here, "loss 0.250")
    (job,) = await app.jobs.of_user(here.visitor.id)
    await app.jobs.set_message(job.id, 123, 456)
    await _move_in(app, here)
    gpu.gate.set()

    await card_saying(here, "Meet abraza (person)")
    assert len(cards(here, "I know abraza (person) now")) == 1


async def test_jobs_of_a_world_that_is_gone_end_in_silence(here: World, app: App, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", seed=7)
    await card_saying(here, "Step 25 of 50")
    (job,) = await app.jobs.of_user(here.visitor.id)
    async with app.db.transaction() as tx:
        await tx.execute("UPDATE jobs SET channel_id = 123, message_id = 456 WHERE id = ?", (job.id,))
    gpu.gate.set()

    assert await eventually(lambda: _told(app))


async def _told(app: App) -> bool:
    return not await app.jobs.unannounced()
