"""`python -m bot run` on a Discord, as a process of its own."""

from __future__ import annotations

import pytest

from bot.sandbox import World
from tests.bot.face import card_saying, cards, eventually, prepare, text_of
from tests.modes import open_to_others
from tests.standin.faults import Fault
from tests.standin.process import STARTING, BotProcess
from tests.standin.server import StandIn

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_it_logs_in_and_tells_its_commands(here: World, there: StandIn) -> None:
    names = [name for name, _ in here.env.backend.commands[None]]
    assert {"train", "imagine", "help"} <= {*names}
    assert there.gateway.connected


async def test_it_tried_again_to_log_in_when_discord_was_in_trouble(here: World, bot: BotProcess) -> None:
    assert bot.said().count("trying again in 1 s: 503") == 1
    assert "Traceback" not in bot.said() and "Unclosed" not in bot.said()


async def test_it_answers_a_command(here: World) -> None:
    told = await here.visitor.slash(here.studio, "help")
    await eventually(lambda: told.response)
    assert told.ephemeral and "Teach me" in text_of(told.response)
    (picture,) = told.response.attachments
    assert picture.filename == "selfies.jpg" and picture.size > 1000


@pytest.mark.parametrize("how", ["cut", "ask_to_reconnect"])
async def test_it_comes_back_after_a_cut_and_misses_nothing(here: World, there: StandIn, how: str) -> None:
    before = there.gateway.resumed
    await getattr(there.gateway, how)()
    told = await here.visitor.slash(here.studio, "help")
    await eventually(lambda: told.response)
    assert there.gateway.resumed == before + 1 and there.gateway.identified == 1


@pytest.mark.parametrize("status", [None, 502])
async def test_a_command_whose_acknowledgement_was_lost_is_carried_out(
    here: World, there: StandIn, status: int | None
) -> None:
    lost = there.rest.faults.add(Fault("POST", "/interactions/*/callback", status, done=True))
    told = await here.visitor.slash(here.studio, "models")
    await eventually(lambda: told.acknowledged and not told.deferred)
    assert lost.met == 1 and "went wrong" not in text_of(told.response)


async def test_a_drawing_and_what_is_made_of_it(here: World) -> None:
    told = await here.visitor.slash(here.studio, "imagine", prompt="a cat", steps=2, count=1)
    (card,) = await eventually(lambda: [card for card in cards(here, "a cat") if card.attachments], STARTING)
    await eventually(lambda: told.response is None)
    (picture,) = card.attachments
    content = here.env.backend.cdn.get(picture.url)
    assert content is not None and content.startswith(b"\x89PNG")

    form = await here.visitor.click(card, label="Edit prompt")
    await eventually(lambda: form.modal)
    await here.visitor.submit_modal(form, {"prompt": "a dog", "negative": ""})
    await card_saying(here, "a dog")


async def test_uploaded_photos_come_back_as_previews(here: World) -> None:
    sheet = await prepare(here, count=3)
    await eventually(lambda: sheet.response and "Start" in text_of(sheet.response), STARTING)
    assert sheet.response.attachments


async def test_it_ends_when_it_is_asked_to_and_leaves_nothing_that_others_may_read(bot: BotProcess) -> None:
    assert await bot.stop() == 0
    assert " ERROR " not in bot.said() and "Traceback" not in bot.said()
    assert open_to_others(bot.home) == []
