"""`/help` and `/status`."""

from __future__ import annotations

import pytest

from bot.app import App
from bot.locales import LANGUAGES
from bot.sandbox import World
from bot.ui.help_cards import COMMANDS, PAGES, command_card, tour_card
from tests.bot.face import eventually, parts_of, text_of
from tests.fakes import ScriptedGpu


async def test_the_tour_turns_its_pages(here: World) -> None:
    shown = await here.visitor.slash(here.studio, "help")
    assert "**1. Teach me.**" in text_of(shown.response)
    await here.visitor.click(shown.response, label="Rules")
    assert "I never draw sexual pictures of children" in text_of(shown.response)
    await here.visitor.click(shown.response, label="Begin")
    assert "**1. Teach me.**" in text_of(shown.response)


async def test_the_page_about_drawing_shows_styles_once_they_are_drawn(here: World, app: App) -> None:
    shown = await here.visitor.slash(here.studio, "help")
    await here.visitor.click(shown.response, label="Draw")
    assert await eventually(lambda: len([*app.files.style_examples.glob("*.png")]) == 6)
    await here.visitor.click(shown.response, label="Draw")
    (alt,) = [item["description"] for part in parts_of(shown.response) for item in part.get("items", [])]
    assert alt == "The same person in several styles"


async def test_every_command_has_a_page(here: World, app: App) -> None:
    slash = [
        command.name for command in app.bot.tree.get_commands(type=None) if hasattr(command, "description")
    ]
    assert set(slash) - {"Train on these photos"} <= set(COMMANDS)
    (offered,) = await here.visitor.autocomplete(here.studio, "help", "command", "/queu")
    page = await here.visitor.slash(here.studio, "help", command=offered["value"])
    assert "who was served least recently is next" in text_of(page.response)
    missing = await here.visitor.slash(here.studio, "help", command="dance")
    assert "I have no command dance" in text_of(missing.response)


@pytest.mark.parametrize("locale", LANGUAGES)
def test_every_page_fits_on_a_card(locale: str) -> None:
    views = [tour_card(locale, page) for page in range(len(PAGES))]
    views += [command_card(locale, command) for command in COMMANDS]
    assert all(view.content_length() <= 4000 and view.total_children_count <= 40 for view in views)


async def test_status_says_what_draws_and_how_busy_it_is(here: World, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    await here.visitor.slash(here.studio, "imagine", prompt="a cat")
    said = text_of((await here.visitor.slash(here.studio, "status")).response)
    assert "scripted, 1.0 GiB free" in said
    assert "**Drawings** 1 running, 0 waiting" in said
