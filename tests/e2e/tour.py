"""The tour: pictures of the product as a person meets it, `python -m tests.e2e.tour [FOLDER]`.

The sandbox is started as a person would start it and clicked through in Chromium, in each language. One
training is real and whole; the second language finds its model, its pictures and its shared card already
there. What the simulated Discord itself says, such as its list of commands, is English throughout.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops
from playwright.async_api import Error, Locator, Page, expect

from bot.locales import DEFAULT, LANGUAGES, t
from bot.selfies import FOLDER, TAKEN
from tests.e2e.browser import CHROMIUM, PATIENCE, browse, composer, go_to, press, send, studio

OUT = Path("docs/tour")
PROMPT = "oil painting of me wearing a top hat"
SEED = "11"

_COLOURS = 256
_FAR = {True: re.compile(r"\b[5-9]\d%"), False: re.compile(r"\b[3-9]\d%")}
"""In the bar of a training that has come far enough to look at: of a whole one, of one that is cancelled."""

_STYLE = """
.message-context-actions, .message-edited-compact { display: none }
.modal-dialog { max-height: none !important }
"""
"""Hides what the simulated Discord shows under the mouse, and shows forms whole."""

_MARGIN = 12
_REFRESHES = 60
_SOON = 60_000


@dataclass(frozen=True, slots=True)
class Tour:
    """A page of the studio, the language that it speaks, and where its pictures go."""

    page: Page
    locale: str
    out: Path

    def say(self, key: str, **params: object) -> str:
        return t(self.locale, key, **params)

    def card(self, text: str) -> Locator:
        """The newest message with this text."""
        return self.page.locator(".channel-message").filter(has_text=text).last

    async def show(self, name: str, text: str, *, pictures: int = 0) -> Locator:
        """Wait for a card and for so many pictures in it, at least, and keep what it looks like."""
        card = self.card(text)
        await expect(card).to_be_visible(timeout=PATIENCE)
        images = card.locator("img[alt]:not([alt=''])")
        if pictures:
            await expect(images.nth(pictures - 1)).to_be_visible(timeout=PATIENCE)
        await self.loaded(images)
        await self.page.mouse.move(1, 1)
        await self.keep(name, await card.screenshot())
        return card

    async def loaded(self, images: Locator) -> None:
        for image in await images.all():
            await expect(image).not_to_have_js_property("naturalWidth", 0, timeout=_SOON)

    async def keep(self, name: str, png: bytes, *, trim: bool = True) -> None:
        """Write a screenshot as a small file: without its empty border, and with few colours."""
        image = Image.open(io.BytesIO(png)).convert("RGB")
        if trim:
            empty = Image.new("RGB", image.size, image.getpixel((0, image.height - 1)))
            left, top, right, bottom = ImageChops.difference(image, empty).getbbox() or (0, 0, *image.size)
            box = (max(left - _MARGIN, 0), max(top - _MARGIN, 0), right + _MARGIN, bottom + _MARGIN)
            image = image.crop((*box[:2], min(box[2], image.width), min(box[3], image.height)))
        path = self.out / f"{self.locale}-{name}.png"
        image.quantize(_COLOURS).save(path, optimize=True)
        print(path, f"{image.width}x{image.height}", f"{path.stat().st_size / 1024:.0f} KiB", flush=True)


async def main(out: Path) -> None:
    """Take all pictures, English first."""
    await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(os.environ.get("LIKENESS_TOUR_HOME", folder))
        for locale in LANGUAGES:
            async with studio(home) as url, browse(url, 1000, 1500, _STYLE) as page:
                tour = Tour(page, locale, out)
                await welcome(tour)
                await train(tour, whole=locale == DEFAULT)
                await imagine(tour)
                await share(tour)
                await look_around(tour)
                if locale == DEFAULT:
                    await speak(tour, "zh-CN")


async def welcome(tour: Tour) -> None:
    page = tour.page
    await page.set_viewport_size({"width": 1100, "height": 720})
    card = tour.card(tour.say("sandbox.welcome"))
    await expect(card).to_be_visible(timeout=_SOON)
    await tour.loaded(card.locator("img[alt]:not([alt=''])"))
    await asyncio.sleep(1)
    await tour.keep("welcome", await page.screenshot(), trim=False)
    if tour.locale == DEFAULT:
        await composer(page).press_sequentially("/")
        imagine = page.get_by_text(tour.say("command.imagine.description"))
        await imagine.evaluate("entry => entry.closest('.command-entry').scrollIntoView()")
        await tour.keep("commands", await page.screenshot(), trim=False)
        await composer(page).fill("")
    await page.set_viewport_size({"width": 1000, "height": 1500})


async def train(tour: Tour, *, whole: bool) -> None:
    """The form, the sheet and the progress; where the training is not `whole`, it is cancelled then."""
    page, name = tour.page, "abraza"
    await send(page, "train", sample_prompt="photo of me on a beach")
    form = page.locator("#modal-root")
    await form.locator("[data-custom-id=name] input").fill(name)
    await form.get_by_text(tour.say("form.consent")).click()
    await tour.keep("train", await form.locator(".modal-dialog").screenshot())
    await form.locator("input[type=file]").first.set_input_files(sorted(FOLDER.glob("*.jpg"))[:TAKEN])
    await form.get_by_role("button", name="Submit").click()
    subject = {"name": name, "class_name": tour.say("class.person")}
    await tour.show("sheet", tour.say("sheet.title", **subject), pictures=1)
    await press(page, tour.say("button.start"))
    running = tour.card(tour.say("train.running", **subject))
    # The other phases have a bar too, but no loss.
    await expect(running.get_by_text(tour.say("train.loss", loss="").strip())).to_be_visible(timeout=PATIENCE)
    await expect(running.get_by_text(_FAR[whole])).to_be_visible(timeout=PATIENCE)
    await tour.show("progress", tour.say("train.running", **subject), pictures=1 if whole else 0)
    await send(page, "queue")
    await tour.show("queue", tour.say("queue.title"))
    if not whole:
        await running.locator("button.component-button", has_text=tour.say("button.cancel")).click()
        await expect(tour.card(tour.say("train.cancelled", **subject))).to_be_visible(timeout=PATIENCE)
        return
    await tour.show("learned", tour.say("train.done", **subject))
    await go_to(page, "prompts")
    await tour.show("samples", tour.say("samples.title", **subject), pictures=4)
    await go_to(page, "studio")


async def imagine(tour: Tour) -> None:
    await send(tour.page, "imagine", prompt=PROMPT, seed=SEED)
    await tour.show("imagine", tour.say("button.upscale", n=4), pictures=4)


async def share(tour: Tour) -> None:
    """The first picture goes to #prompts, where its owner likes it."""
    page = tour.page
    await press(page, tour.say("button.share"))
    await expect(tour.card(tour.say("gallery.which"))).to_be_visible(timeout=_SOON)
    await press(page, tour.say("button.share_one", n=1))
    await go_to(page, "prompts")
    by = tour.say("gallery.by", user="@you")
    await expect(tour.card(by)).to_be_visible(timeout=_SOON)
    await press(page, tour.say("button.works", n=0))
    await expect(tour.card(by).get_by_text(tour.say("button.works", n=1))).to_be_visible(timeout=_SOON)
    await tour.show("shared", by, pictures=1)
    await send(page, "prompts top")
    await tour.show("prompts", tour.say("prompts.top"), pictures=1)
    await go_to(page, "studio")


async def look_around(tour: Tour) -> None:
    """The commands that answer with one card."""
    for command, title, pictures in (
        ("models", "models.title", 1),
        ("status", "status.title", 0),
        ("privacy", "privacy.title", 0),
        ("settings", "settings.title", 0),
        ("help", "help.begin_title", 1),
    ):
        await send(tour.page, command)
        await tour.show(command, tour.say(title), pictures=pictures)
    await send(tour.page, "styles list")
    card = tour.card(tour.say("styles.title"))
    await expect(card).to_be_visible(timeout=_SOON)
    drawing = re.split(r"[;\uff1b]", tour.say("styles.drawing"))[0]
    for _ in range(_REFRESHES):
        if not await card.get_by_text(drawing).count():
            break
        await asyncio.sleep(5)
        await press(tour.page, tour.say("button.refresh"))
    await tour.show("styles", tour.say("styles.title"), pictures=1)


async def speak(tour: Tour, language: str) -> None:
    """Set the server's language, as an admin does."""
    await send(tour.page, "settings")
    panel = tour.card(tour.say("settings.title"))
    opened = panel.get_by_text(tour.say("setting.language_help"))
    await choose(panel.locator(".preview-select").first, "general", opened)
    translated = tour.page.get_by_text(t(language, "settings.title")).last
    await choose(panel.locator(".preview-select").last, language, translated)


async def choose(menu: Locator, value: str, effect: Locator) -> None:
    """Choose from a menu until the effect is seen: a redraw of the page closes it, or swallows the click."""
    option = menu.locator(f".select-option[data-value='{value}']")
    for _ in range(_REFRESHES):
        try:
            if not await option.is_visible():
                await menu.locator(".select-trigger").click(timeout=1000)
            await option.click(timeout=1000)
            await expect(effect).to_be_visible(timeout=5000)
            return
        except (AssertionError, Error):
            if await effect.is_visible():
                return
    raise AssertionError(f"choosing {value!r} has no effect")


if __name__ == "__main__":
    if not CHROMIUM.exists():
        sys.exit(f"{CHROMIUM} is not installed: the tour needs Chromium (apt-get install chromium).")
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT))
