"""The sandbox in a headless browser: started as a person would, clicked and typed at.

The page draws itself anew whenever the bot posts, so each helper waits for what it needs, and does again
what a redraw has swallowed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Error, Locator, Page, async_playwright, expect

CHROMIUM = Path("/usr/bin/chromium")
ROOT = Path(__file__).parents[2]
PATIENCE = 480_000
"""Milliseconds for what the mini model does on a busy machine."""

_ADD_STYLE = """addEventListener("DOMContentLoaded", () => {
    document.head.append(Object.assign(document.createElement("style"), {textContent: %s}));
})"""

_TRIES = 5
_SOON = 15_000
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking")


@asynccontextmanager
async def studio(home: Path, **settings: str) -> AsyncGenerator[str, None]:
    """The address that `python -m bot run` prints without a token, for as long as it runs."""
    # Away from the repository: whoever runs this may have a .env there, with a real token.
    environment = {name: value for name, value in os.environ.items() if name != "DISCORD_TOKEN"}
    environment |= {"PYTHONPATH": str(ROOT), "LIKENESS_HOME": str(home), **settings}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "run", "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
        env=environment,
        cwd=home,
        umask=0o022,
    )
    assert process.stdout is not None
    said = (await process.stdout.readline()).decode()
    found = re.search(r"http://127\.0\.0\.1:\d+/#\S+", said)
    assert found, said
    try:
        yield found[0]
    finally:
        process.terminate()
        status = await asyncio.wait_for(process.wait(), 120)
    assert status == 0


@asynccontextmanager
async def browse(
    url: str, width: int = 1280, height: int = 860, style: str = ""
) -> AsyncGenerator[Page, None]:
    """A page of the studio, ready to be typed at; `style` is added to its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        page = await browser.new_page(viewport={"width": width, "height": height}, bypass_csp=bool(style))
        if style:
            await page.add_init_script(_ADD_STYLE % json.dumps(style))
        page.set_default_timeout(30_000)
        await page.goto(url)
        await expect(composer(page)).to_be_visible(timeout=60_000)
        yield page
        await browser.close()


def composer(page: Page) -> Locator:
    return page.locator("#channel-composer-input")


def said(page: Page, text: str) -> Locator:
    """A text among the channel's messages."""
    return page.locator("#channel-message-list").get_by_text(text)


async def send(page: Page, command: str, **options: str) -> None:
    """Choose a slash command from the list, fill in its text options and send it."""
    for attempt in range(_TRIES):
        try:
            await _choose(page, command)
            for name, value in options.items():
                await _fill(page, name, value)
            await page.locator("#send-message").click(timeout=_SOON)
            await expect(page.locator(".command-context")).to_have_count(0, timeout=2 * _SOON)
            return
        except (AssertionError, Error):
            if attempt == _TRIES - 1:
                raise
            if await page.locator(".command-context-close").count():
                await page.locator(".command-context-close").click(force=True)


async def _choose(page: Page, command: str) -> None:
    await composer(page).fill("")
    await composer(page).press_sequentially(f"/{command}")
    title = page.locator(".command-entry-title strong", has_text=re.compile(f"^/{re.escape(command)}$"))
    await title.click(timeout=_SOON)
    await expect(page.locator(".command-context")).to_be_visible(timeout=_SOON)


async def _fill(page: Page, name: str, value: str) -> None:
    field = page.locator(f".command-option-input[data-option='{name}']")
    if not await field.count():
        await page.locator(".command-ghost").click(timeout=_SOON)
        label = page.locator(".command-suggestion-label", has_text=re.compile(f"^{re.escape(name)}$"))
        await label.click(timeout=_SOON)
    await field.fill(value, timeout=_SOON)


async def press(page: Page, label: str) -> None:
    """Press the newest button of that label."""
    await page.locator("button.component-button", has_text=label).last.click()


async def press_until(page: Page, label: str, text: str) -> None:
    """Press a button until the bot says something: the page loses a click while it draws itself anew."""
    for _ in range(3 * _TRIES):
        if await page.locator("button.component-button", has_text=label).count():
            await press(page, label)
        with contextlib.suppress(AssertionError):
            await expect(said(page, text)).to_be_visible(timeout=_SOON / 3)
            return
    await expect(said(page, text)).to_be_visible(timeout=PATIENCE)


async def go_to(page: Page, channel: str) -> None:
    """Open another channel of the studio."""
    await page.locator("#studio-channels a", has_text=channel).click()
    await expect(composer(page)).to_be_visible(timeout=60_000)
