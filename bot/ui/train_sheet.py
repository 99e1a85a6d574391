"""The contact sheet: what a training would learn from, before it starts."""

from __future__ import annotations

import io
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import discord
from discord import ui
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

from bot.locales import t
from bot.services.training import Prospect
from bot.services.wish import MENDED_ELSEWHERE, Wish, with_default
from bot.ui.buttons import CardButton
from bot.ui.gate import Registry, Rule
from bot.ui.look import Accent, card, duration, quoted, rule
from bot.ui.replies import explain
from bot.ui.train_form import class_label
from data.drafts import Crop, Draft
from data.ids import row_id
from trainer.spec import MIN_PHOTOS

if TYPE_CHECKING:
    from bot.client import LikenessBot

_TILE = 192
_COLUMNS = 5
_GAP = 6
_FILE = "photos.jpg"
_MOST_NOTICES = 20
_FORM_LABELS = {
    "no_consent": "button.form_again",
    "bad_name": "button.form_again",
    "bad_class": "button.form_again",
    "too_few_photos": "button.add_photos",
}
"""What the form can put right; everything else is an option that only the command has."""

Pick = Callable[["discord.Interaction[LikenessBot]", int, list[int]], Awaitable[None]]
PICKS: Registry[Pick] = Registry("old_button")


def on_pick(rule: Rule) -> Callable[[Pick], Pick]:
    """Name the function that is called with a draft's id and the places of the crops that were chosen."""
    return PICKS.register("crops", rule=rule)


class CropSelect(ui.DynamicItem[ui.Select[Any]], template=r"crops:(?P<id>[0-9]{1,18})"):
    """Which crops are used; as all our menus, it outlives the process that posted it."""

    def __init__(self, draft_id: int, locale: str = "", crops: Sequence[Crop] = ()) -> None:
        options = [
            discord.SelectOption(label=_crop_label(locale, crop), value=str(place), default=crop.used)
            for place, crop in enumerate(crops)
        ]
        super().__init__(
            ui.Select(
                custom_id=f"crops:{draft_id}",
                options=options,
                min_values=1,
                max_values=max(1, len(options)),
                placeholder=t(locale, "sheet.choose"),
            )
        )
        self.draft_id = draft_id

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(int(match["id"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        places = [place for place in map(row_id, self.item.values) if place is not None]
        await PICKS.call("crops", interaction, self.draft_id, self.draft_id, places)


def sheet_card(locale: str, prospect: Prospect, picture: discord.File) -> ui.LayoutView:
    """The crops as one picture, everything that is known about the training, and Start."""
    draft, concept = prospect.draft, prospect.spec.concepts[0]
    used = len(draft.used)
    ready = used >= MIN_PHOTOS
    kind = class_label(locale, concept.class_name)
    gallery = ui.MediaGallery[Any]().add_item(
        media=picture, description=t(locale, "sheet.alt", count=len(draft.crops), used=used)
    )
    items: list[ui.Item[Any] | str] = [
        f"## {t(locale, 'sheet.title', name=quoted(concept.name), class_name=quoted(kind))}",
        gallery,
        "\n".join(_facts(locale, prospect)),
    ]
    if not ready:
        items.append(f"⚠️ {t(locale, 'sheet.too_few', used=used, minimum=MIN_PHOTOS)}")
    if draft.notices:
        items.append("\n".join(_notices(locale, draft)))
    items.append(rule())
    items.append(ui.ActionRow[Any](CropSelect(draft.id, locale, draft.crops)))
    start = CardButton("start", draft.id, label=t(locale, "button.start"), style=discord.ButtonStyle.success)
    start.item.disabled = not ready
    items.append(
        ui.ActionRow[Any](
            start,
            CardButton("photos", draft.id, label=t(locale, "button.photos")),
            CardButton(
                "discard", draft.id, label=t(locale, "button.cancel"), style=discord.ButtonStyle.danger
            ),
        )
    )
    return card(Accent.waiting, *items)


def missing_card(locale: str, draft: Draft) -> ui.LayoutView:
    """What is missing before there is a sheet, with the button that adds it; nothing has to be sent again."""
    wish = Wish.model_validate_json(draft.wish)
    kind = class_label(locale, wish.class_name)
    cancel = CardButton(
        "discard", draft.id, label=t(locale, "button.cancel"), style=discord.ButtonStyle.danger
    )
    return card(
        Accent.waiting,
        f"## {t(locale, 'sheet.title', name=quoted(wish.name), class_name=quoted(kind))}",
        "\n".join(_notices(locale, draft)),
        f"-# {t(locale, 'sheet.kept', n=len(draft.uploads))}",
        ui.ActionRow[Any](*_ways_on(locale, draft, wish), cancel),
    )


def _ways_on(locale: str, draft: Draft, wish: Wish) -> list[CardButton]:
    """The buttons that add what is missing, or do without it."""
    missing, go, ways = draft.notices[0][0], discord.ButtonStyle.success, []
    if missing in _FORM_LABELS:
        if missing == "no_consent":
            ways.append(CardButton("agree", draft.id, label=t(locale, "button.agree"), style=go))
        return [*ways, CardButton("photos", draft.id, label=t(locale, _FORM_LABELS[missing]))]
    can_change = with_default(wish, missing) != wish
    if missing in MENDED_ELSEWHERE or not can_change:
        ways.append(CardButton("retry", draft.id, label=t(locale, "button.try_again"), style=go))
    if can_change:
        ways.append(CardButton("default", draft.id, label=t(locale, "button.use_default"), style=go))
    return ways


def contact_sheet(crops: Sequence[Crop], files: Sequence[Path]) -> discord.File:
    """The numbered crops in rows, those that are left out dimmed. Blocking. Raises OSError."""
    rows = -(-len(crops) // _COLUMNS)
    columns = -(-len(crops) // rows)
    step = _TILE + _GAP
    sheet = Image.new("RGB", (columns * step - _GAP, rows * step - _GAP), (43, 45, 49))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=24)
    for place, (crop, file) in enumerate(zip(crops, files, strict=True)):
        with Image.open(file) as picture:
            tile = picture.convert("RGB").resize((_TILE, _TILE), Image.Resampling.LANCZOS)
        if not crop.used:
            tile = ImageEnhance.Brightness(tile.convert("L").convert("RGB")).enhance(0.4)
        x, y = place % columns * step, place // columns * step
        sheet.paste(tile, (x, y))
        width = 16 + draw.textlength(crop.label, font=font)
        draw.rounded_rectangle((x + 6, y + 6, x + 6 + width, y + 40), 8, fill=(0, 0, 0))
        draw.text((x + 14, y + 9), crop.label, font=font, fill=(255, 255, 255))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=88)
    buffer.seek(0)
    return discord.File(buffer, filename=_FILE)


def _facts(locale: str, prospect: Prospect) -> list[str]:
    recipe = prospect.spec.recipe
    if prospect.seconds is None:
        time = t(locale, "sheet.time_unknown")
    else:
        time = t(locale, "sheet.time", time=duration(locale, prospect.seconds))
    ahead = prospect.ahead
    lines = [
        t(
            locale,
            "sheet.facts",
            photos=len(prospect.draft.used),
            steps=recipe.steps,
            method=t(locale, f"train_method.{recipe.method}"),
            base=quoted(prospect.spec.base, 60),
        ),
        time,
        t(locale, "sheet.ahead", n=ahead) if ahead else t(locale, "sheet.free"),
    ]
    if recipe.sample_prompts:
        lines.append(t(locale, "sheet.sample", prompt=quoted(recipe.sample_prompts[0], 300)))
    return lines


def _notices(locale: str, draft: Draft) -> list[str]:
    lines = [f"⚠️ {explain(locale, code, params)}" for code, params in draft.notices[:_MOST_NOTICES]]
    if any(crop.face for crop in draft.crops):
        lines.append(t(locale, "sheet.choose_face"))
    return lines


def _crop_label(locale: str, crop: Crop) -> str:
    if crop.face:
        return t(locale, "sheet.face", number=crop.photo, face=crop.face)
    return t(locale, "sheet.photo", number=crop.photo)
