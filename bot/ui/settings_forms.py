"""The forms of the admins' panel: numbers and words, read back with a sentence for what makes no sense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from discord import TextStyle, ui

from bot.locales import t
from bot.services.refusal import Refusal
from bot.ui.forms import Answers, Form
from data.settings import (
    MAX_CONCURRENT,
    MAX_DAILY,
    MAX_PHOTO_DAYS,
    MAX_WORDS,
    GuildSettings,
    RoleQuota,
)

FORMS = ("quotas", "training", "drawing", "words", "photos", "pictures")
"""By the index that a button's id says; each stands in a section of the panel."""

SECTION_OF_FORM = {"words": "safety", "photos": "safety", "pictures": "drawing"}
"""The section of a form that is not named like it."""

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
}
_ROLE = (
    Number("daily_trainings", 0, MAX_DAILY, empty=True),
    Number("daily_pictures", 0, MAX_DAILY, empty=True),
    Number("concurrent", 1, MAX_CONCURRENT, empty=True),
)


class NumbersForm(Form):
    """Asks for the numbers of a form of the panel, or for the quota of a role."""

    def __init__(
        self, locale: str, name: str, id: int, title: str, numbers: Sequence[Number], values: Sequence[Any]
    ) -> None:
        super().__init__(name, id, title=title)
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


class WordsForm(Form):
    """Asks for the words that no prompt may hold, one a line or with commas between."""

    def __init__(self, locale: str, words: Sequence[str]) -> None:
        super().__init__("setting", FORMS.index("words"), title=t(locale, "setting.words"))
        field = ui.TextInput[Any](
            custom_id="words",
            default="\n".join(words)[:_MAX_TEXT] or None,
            required=False,
            max_length=_MAX_TEXT,
            style=TextStyle.paragraph,
        )
        self.add_item(
            ui.Label(text=t(locale, "form.words"), description=t(locale, "form.words_help"), component=field)
        )


def numbers_form(locale: str, name: str, settings: GuildSettings) -> NumbersForm:
    """A form of the panel that asks for numbers."""
    numbers = _NUMBERS[name]
    now = [getattr(settings, number.name) for number in numbers]
    return NumbersForm(locale, "setting", FORMS.index(name), t(locale, f"setting.{name}"), numbers, now)


def role_form(locale: str, role_id: int, role: str, quota: RoleQuota) -> NumbersForm:
    """Asks for what the people of a role may do."""
    return NumbersForm(locale, "quota", role_id, t(locale, "form.role", role=role[:25]), _ROLE, quota)


def typed_settings(locale: str, name: str, answers: Answers) -> dict[str, object]:
    """What was typed into a form of the panel, by the settings' names.

    Raises Refusal: bad_range, too_many_words.
    """
    if name == "words":
        return {"words": _words(answers.text("words"))}
    return {number.name: _number(locale, number, answers.text(number.name)) for number in _NUMBERS[name]}


def typed_quota(locale: str, answers: Answers) -> RoleQuota:
    """What was typed into the form of a role. Raises Refusal: bad_range."""
    numbers = (_number(locale, number, answers.text(number.name)) for number in _ROLE)
    return RoleQuota(*numbers)  # type: ignore[arg-type]  # all its numbers are whole


def _words(typed: str) -> tuple[str, ...]:
    """One a line or with commas between, without doubles."""
    parts = typed.replace("\uff0c", ",").replace("\n", ",").split(",")
    words = tuple(dict.fromkeys(" ".join(word.split()) for word in parts if word.strip()))
    if len(words) > MAX_WORDS:
        raise Refusal("too_many_words", limit=MAX_WORDS)
    return words


def _number(locale: str, number: Number, typed: str) -> int | float | None:
    typed = typed.strip()
    if not typed and number.empty:
        return None
    try:
        value = int(typed) if number.whole else float(typed.replace(",", "."))
    except ValueError:
        value = -1
    if not number.low <= value <= number.high:
        name = t(locale, f"number.{number.name}")
        raise Refusal("bad_range", field=name, low=number.low, high=number.high)
    return value
