"""The sandbox's page in a real browser: what a newcomer does in the first minutes."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, async_playwright, expect

from bot.selfies import FOLDER, TAKEN

CHROMIUM = Path("/usr/bin/chromium")
PICTURES = Path(os.environ.get("LIKENESS_SCREENSHOTS", "out/screenshots"))
PATIENCE = 480_000
ROOT = Path(__file__).parents[2]
PHOTOS = sorted(FOLDER.glob("*.jpg"))

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not CHROMIUM.exists() and "CI" not in os.environ, reason=f"{CHROMIUM} is not installed"
    ),
]


@pytest.fixture
async def url(tmp_path: Path) -> AsyncGenerator[str, None]:
    """The address that `python -m bot run` prints without a token."""
    # Away from the repository: whoever runs the tests may have a .env there, with a real token.
    environment = {name: value for name, value in os.environ.items() if name != "DISCORD_TOKEN"}
    environment["PYTHONPATH"] = str(ROOT)
    environment |= {"LIKENESS_HOME": str(tmp_path)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "run", "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
        env=environment,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    said = (await process.stdout.readline()).decode()
    found = re.search(r"http://127\.0\.0\.1:\d+/#\S+", said)
    assert found, said
    yield found[0]
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 120) == 0


@pytest.fixture
async def page(url: str) -> AsyncGenerator[Page, None]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        page = await browser.new_page(viewport={"width": 1280, "height": 860})
        page.set_default_timeout(30_000)
        await page.goto(url)
        yield page
        await browser.close()


async def open_form(page: Page) -> Locator:
    """Type `/train` and send it; the form, with all but the photos filled in."""
    await page.locator("#channel-composer-input").press_sequentially("/train")
    await page.keyboard.press("Enter")
    await page.locator(".send-message").click()
    form = page.locator("#modal-root")
    await form.locator("[data-custom-id=name] input").fill("abraza")
    await form.get_by_text("I may use these photos").click()
    return form


async def test_from_the_slash_to_samples_in_prompts(page: Page) -> None:
    await expect(said(page, "Welcome to your Likeness studio")).to_be_visible()
    await show(page, "1-welcome")
    await page.locator("#channel-composer-input").press_sequentially("/")
    await expect(page.get_by_text("Teach me a new face from 3 to 20 photos")).to_be_visible()
    await show(page, "2-commands")
    await page.locator("#channel-composer-input").fill("")
    form = await open_form(page)
    await form.locator("input[type=file]").first.set_input_files(PHOTOS[:TAKEN])
    await show(page, "3-form")
    await form.get_by_role("button", name="Submit").click()

    await expect(said(page, f"Took {TAKEN} photos")).to_be_visible()
    await expect(said(page, "Learning abraza (person)")).to_be_visible(timeout=PATIENCE)
    await expect(said(page, "loss")).to_be_visible(timeout=PATIENCE)
    await show(page, "4-progress")
    await expect(said(page, "I know abraza (person) now")).to_be_visible(timeout=PATIENCE)
    await page.locator("#studio-channels a", has_text="prompts").click()
    await expect(said(page, "Meet abraza (person)")).to_be_visible()
    await expect_pictures(page.locator("#channel-message-list img[alt^='Sample']"), 4)
    await show(page, "5-samples")


async def test_two_uploads_are_one_training_that_can_be_cancelled(page: Page) -> None:
    form = await open_form(page)
    first, second = await form.locator("input[type=file]").all()
    await first.set_input_files(PHOTOS[:10])
    await second.set_input_files(PHOTOS[10:])
    await form.get_by_role("button", name="Submit").click()

    await expect(said(page, f"Took {len(PHOTOS)} photos")).to_be_visible()
    await page.locator("button.component-button", has_text="Cancel").click()
    await expect(said(page, "Stopped learning abraza (person)")).to_be_visible(timeout=PATIENCE)


async def test_imagine_and_its_buttons(page: Page) -> None:
    await page.locator("#channel-composer-input").press_sequentially("/imagine")
    await page.keyboard.press("Enter")
    await page.locator(".command-option-input").press_sequentially("pencil sketch of a cat")
    await page.keyboard.press("Enter")
    pictures = page.locator("#channel-message-list img[alt^='Picture']")

    await expect_pictures(pictures, 4)
    await show(page, "6-imagine")
    await page.locator("button.component-button", has_text="Delete").click()
    await expect(said(page, "The pictures are gone")).to_be_visible()
    await expect(pictures).to_have_count(0)


def said(page: Page, text: str) -> Locator:
    """A text among the channel's messages."""
    return page.locator("#channel-message-list").get_by_text(text)


async def expect_pictures(pictures: Locator, count: int) -> None:
    """So many pictures, each of them loaded."""
    await expect(pictures).to_have_count(count, timeout=PATIENCE)
    for picture in await pictures.all():
        await expect(picture).not_to_have_js_property("naturalWidth", 0)


async def show(page: Page, name: str) -> None:
    """Leave a picture for people to look at."""
    await page.screenshot(path=PICTURES / f"{name}.png")
