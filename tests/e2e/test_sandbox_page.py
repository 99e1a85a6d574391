"""The sandbox's page in a real browser: what a newcomer does in the first minutes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Locator, Page, expect

from bot.selfies import FOLDER, TAKEN
from data.files import FileStore
from tests.e2e.browser import (
    CHROMIUM,
    PATIENCE,
    browse,
    composer,
    go_to,
    press,
    press_until,
    said,
    send,
    studio,
)
from tests.modes import open_to_others
from trainer.class_images import _slug
from trainer.spec import Concept, Recipe

PICTURES = Path(os.environ.get("LIKENESS_SCREENSHOTS", "out/screenshots"))
PHOTOS = sorted(FOLDER.glob("*.jpg"))

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not CHROMIUM.exists() and "CI" not in os.environ, reason=f"{CHROMIUM} is not installed"
    ),
]


@pytest.fixture
async def page(tmp_path: Path) -> AsyncGenerator[Page, None]:
    await asyncio.to_thread(tmp_path.chmod, 0o755)
    await asyncio.to_thread(fill_class_pool, tmp_path / "sandbox")
    async with studio(tmp_path) as url, browse(url) as page:
        yield page
        assert open_to_others(tmp_path) == [], "while it runs"
    assert open_to_others(tmp_path) == []


def fill_class_pool(home: Path) -> None:
    """Class images, as if others had trained before: two cores take half a minute for them."""
    umask = os.umask(0o077)
    pool = FileStore(home).class_pool("mini") / _slug(Concept(name="abraza", photos="photos").class_prompt)
    pool.mkdir(parents=True)
    with Image.open(PHOTOS[0]) as photo:
        picture = photo.resize((96, 96))
    for seed in range(Recipe().class_images):
        picture.save(pool / f"{seed:04}.png")
    os.umask(umask)


async def open_form(page: Page, **options: str) -> Locator:
    """Type `/train` and send it; the form, with all but the photos filled in."""
    await send(page, "train", **options)
    form = page.locator("#modal-root")
    await form.locator("[data-custom-id=name] input").fill("abraza")
    await form.get_by_text("I may use these photos").click()
    return form


async def test_from_the_slash_to_samples_in_prompts(page: Page) -> None:
    await expect(said(page, "Welcome to your Likeness studio")).to_be_visible()
    await show(page, "1-welcome")
    await composer(page).press_sequentially("/")
    await expect(page.get_by_text("Teach me a new face from 3 to 20 photos")).to_be_visible()
    await show(page, "2-commands")
    await composer(page).fill("")
    form = await open_form(page, steps="30")
    await form.locator("input[type=file]").first.set_input_files(PHOTOS[:TAKEN])
    await show(page, "3-form")
    await form.get_by_role("button", name="Submit").click()

    await press(page, "Start")
    await expect(said(page, f"Took {TAKEN} photos")).to_be_visible()
    await expect(said(page, "Learning abraza (person)")).to_be_visible(timeout=PATIENCE)
    await expect(said(page, "loss")).to_be_visible(timeout=PATIENCE)
    await show(page, "4-progress")
    await expect(said(page, "I know abraza (person) now")).to_be_visible(timeout=PATIENCE)
    await expect_pictures(page.locator("#channel-message-list img[alt^='The same words and seed']"), 1)
    await go_to(page, "prompts")
    await expect(said(page, "Meet abraza (person)")).to_be_visible()
    await expect_pictures(page.locator("#channel-message-list img[alt^='Sample']"), 4)
    await show(page, "5-samples")


async def test_what_was_asked_for_can_be_taken_back(page: Page) -> None:
    form = await open_form(page)
    first, second = await form.locator("input[type=file]").all()
    await first.set_input_files(PHOTOS[:10])
    await second.set_input_files(PHOTOS[10:])
    await form.get_by_role("button", name="Submit").click()

    await press(page, "Start")
    await expect(said(page, f"Took {len(PHOTOS)} photos")).to_be_visible()
    await press_until(page, "Cancel", "Stopped learning abraza (person)")

    await send(page, "imagine", prompt="pencil sketch of a cat", steps="10")
    pictures = page.locator("#channel-message-list img[alt^='Picture']")

    await expect_pictures(pictures, 4)
    await show(page, "6-imagine")
    await press(page, "Delete")
    await expect(said(page, "The pictures are gone")).to_be_visible()
    await expect(pictures).to_have_count(0)


async def expect_pictures(pictures: Locator, count: int) -> None:
    """So many pictures, each of them loaded."""
    await expect(pictures).to_have_count(count, timeout=PATIENCE)
    for picture in await pictures.all():
        await expect(picture).not_to_have_js_property("naturalWidth", 0)


async def show(page: Page, name: str) -> None:
    """Leave a picture for people to look at."""
    await page.screenshot(path=PICTURES / f"{name}.png")
