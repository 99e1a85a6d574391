"""The forms of the admins' panel: numbers and words, read back with a sentence for what makes no sense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from discord import TextStyle, ui

from bot.locales import t
from bot.services.refusal import Refusal
from data.settings import (
    MAX_CONCURRENT,
    MAX_DAILY,
    MAX_PHOTO_DAYS,
    MAX_PICTURE_DAYS,
    MAX_PICTURES,
    MAX_WORDS,
    MIN_PICTURES,
    GuildSettings,
    RoleQuota,
)

FORMS = ("quotas", "training", "drawing", "words", "photos", "pictures", "kept")
"""By the index that a button's id says; each stands in a section of the panel."""

SECTION_OF_FORM = {"words": "safety", "photos": "safety", "kept": "safety", "pictures": "drawing"}
"""The section of a form that is not named like it."""

FORM_SECONDS = 900.0

STEPS_LIMIT = 20_000
"""The most that a recipe allows."""

_MAX_TEXT = 4000


@dataclass(frozen=True, slots=True)
class Number:
    """A field for a number of `low` to `high`; where it may stay empty, that means no value."""

    name: str
    low: int
    high: int
    empty: bool = False
    whole: bool = True


_NUMBERS = {
    "quotas": (
        Number("daily_trainings", 0, MAX_DAILY, empty=True),
        Number("daily_pictures", 0, MAX_DAILY, empty=True),
    ),
    "training": (Number("max_steps", 1, STEPS_LIMIT), Number("default_steps", 1, STEPS_LIMIT, empty=True)),
    "drawing": (
        Number("max_draw_steps", 1, 200),
        Number("default_draw_steps", 1, 200),
        Number("max_guidance", 0, 50, whole=False),
        Number("default_guidance", 0, 50, whole=False),
    ),
    "pictures": (Number("max_count", 1, 4), Number("default_count", 1, 4, empty=True)),
    "photos": (Number("photo_days", 0, MAX_PHOTO_DAYS),),
    "kept": (
        Number("picture_days", 1, MAX_PICTURE_DAYS, empty=True),
        Number("most_pictures", MIN_PICTURES, MAX_PICTURES, empty=True),
    ),
}
_ROLE = (
    Number("daily_trainings", 0, MAX_DAILY, empty=True),
    Number("daily_pictures", 0, MAX_DAILY, empty=True),
    Number("concurrent", 1, MAX_CONCURRENT, empty=True),
)


class NumbersForm(ui.Modal):
    """Asks for the numbers of a form, or for the quota of a role."""

    def __init__(self, locale: str, title: str, numbers: Sequence[Number], values: Sequence[Any]) -> None:
        super().__init__(title=title, timeout=FORM_SECONDS)
        self._locale = locale
        self._fields: list[tuple[Number, ui.TextInput[Any]]] = []
        for number, value in zip(numbers, values, strict=True):
            default = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
            field = ui.TextInput[Any](
                custom_id=number.name, default=default or None, required=not number.empty, max_length=8
            )
            key = "form.range_or_empty_help" if number.empty else "form.range_help"
            self.add_item(
                ui.Label(
                    text=t(locale, f"number.{number.name}"),
                    description=t(locale, key, low=number.low, high=number.high),
                    component=field,
                )
            )
            self._fields.append((number, field))

    def values(self) -> dict[str, int | float | None]:
        """What was typed, by name. Raises Refusal: bad_range."""
        return {number.name: self._read(number, field.value) for number, field in self._fields}

    def _read(self, number: Number, typed: str) -> int | float | None:
        typed = typed.strip()
        if not typed and number.empty:
            return None
        try:
            value = int(typed) if number.whole else float(typed.replace(",", "."))
        except ValueError:
            value = -1
        if not number.low <= value <= number.high:
            name = t(self._locale, f"number.{number.name}")
            raise Refusal("bad_range", field=name, low=number.low, high=number.high)
        return value


class WordsForm(ui.Modal):
    """Asks for the words that no prompt may hold, one a line or with commas between."""

    def __init__(self, locale: str, words: Sequence[str]) -> None:
        super().__init__(title=t(locale, "setting.words"), timeout=FORM_SECONDS)
        self._field = ui.TextInput[Any](
            custom_id="words",
            default="\n".join(words)[:_MAX_TEXT] or None,
            required=False,
            max_length=_MAX_TEXT,
            style=TextStyle.paragraph,
        )
        self.add_item(
            ui.Label(
                text=t(locale, "form.words"), description=t(locale, "form.words_help"), component=self._field
            )
        )

    def words(self) -> tuple[str, ...]:
        """What was typed, without doubles. Raises Refusal: too_many_words."""
        typed = self._field.value.replace("\uff0c", ",").replace("\n", ",").split(",")
        words = tuple(dict.fromkeys(" ".join(word.split()) for word in typed if word.strip()))
        if len(words) > MAX_WORDS:
            raise Refusal("too_many_words", limit=MAX_WORDS)
        return words


def numbers_form(locale: str, name: str, settings: GuildSettings) -> NumbersForm:
    """A form of the panel that asks for numbers."""
    numbers = _NUMBERS[name]
    now = [getattr(settings, number.name) for number in numbers]
    return NumbersForm(locale, t(locale, f"setting.{name}"), numbers, now)


def role_form(locale: str, role: str, quota: RoleQuota) -> NumbersForm:
    """Asks for what the people of a role may do."""
    return NumbersForm(locale, t(locale, "form.role", role=role[:25]), _ROLE, quota)
