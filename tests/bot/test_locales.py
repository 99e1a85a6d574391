"""One catalogue: nothing missing, nothing unused, the same parameters in every language."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import discord
import pytest

import bot
from bot.locales import DEFAULT, LANGUAGES, catalogue, has, language_for, t
from bot.services.refusal import Refusal
from bot.ui.replies import explain

SOURCES = sorted(Path(bot.__file__).parent.rglob("*.py"))
OTHERS = [language for language in LANGUAGES if language != DEFAULT]


def used() -> tuple[set[str], set[str]]:
    """All strings in the code, and all beginnings of strings that the code completes."""
    whole, begun = set(), set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                whole.add(node.value)
            elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                begun.add(str(node.values[0].value))
    return whole, begun


def parameters(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_says_everything_with_the_same_parameters(language: str) -> None:
    english, other = catalogue(DEFAULT), catalogue(language)
    assert english.keys() == other.keys()
    assert {key for key in english if parameters(english[key]) != parameters(other[key])} == set()


def test_no_text_is_unused() -> None:
    whole, begun = used()
    families = tuple(start for start in begun if re.fullmatch(r"[a-z_]+\.", start))
    # `options` is given the table of a name and a description.
    english = catalogue(DEFAULT)
    named = {key for key in english if key.startswith("option.") and key.rpartition(".")[0] in whole}
    unused = {key for key in english if key not in whole and not key.startswith(families)}
    assert sorted(unused - named) == []


def test_no_text_is_missing() -> None:
    tables = {key.partition(".")[0] for key in catalogue(DEFAULT)}
    whole, _ = used()
    keys = {
        text
        for text in whole
        if re.fullmatch(r"[a-z]+(\.[a-z_]+)+", text) and text.partition(".")[0] in tables
    }
    tables_of_options = {key for key in keys if key.startswith("option.") and has(f"{key}.description")}
    assert sorted(key for key in keys - tables_of_options if not has(key)) == []


def test_every_code_of_the_services_has_a_sentence() -> None:
    """Read off the code: whatever is raised as a Refusal or told as a Notice."""
    codes = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", "") in ("Refusal", "Notice")
                and node.args
            ):
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    codes.add(str(first.value))
    assert len(codes) > 10
    assert [code for code in sorted(codes) if not has(f"error.{code}")] == []


def test_any_chinese_reads_chinese_and_others_english() -> None:
    assert language_for(discord.Locale.chinese) == "zh-CN"
    assert language_for(discord.Locale.taiwan_chinese) == "zh-CN"
    assert language_for(discord.Locale.american_english) == DEFAULT
    assert language_for("fr") == DEFAULT


@pytest.mark.parametrize("language", LANGUAGES)
def test_command_texts_are_what_discord_accepts(language: str) -> None:
    texts = catalogue(language)
    for key in texts:
        if key.startswith(("command.", "option.")):
            limit = 32 if key.endswith(".name") else 100
            assert 1 <= len(texts[key]) <= limit, key
        if re.fullmatch(r"(command|option)\.[a-z_]+\.name", key) and key != "command.train_menu.name":
            assert texts[key] == texts[key].lower()
            assert re.fullmatch(r"[-_\w]+", texts[key].format(n=1)), key
        if key.startswith("form."):
            assert len(texts[key]) <= (100 if key.endswith(("_help", "_placeholder")) else 45), key


def test_a_refusal_lists_what_was_wrong_with_each_photo() -> None:
    from bot.services.refusal import Notice

    rejected = (Notice("not_an_image", {"name": "**a**.txt"}), Notice("duplicate", {"name": "b.png"}))
    refusal = Refusal("too_few_photos", usable=1, minimum=3, rejected=rejected)
    said = explain("en", refusal.code, refusal.params)
    assert said.splitlines()[1:] == [
        r"- **\*\*a\*\*.txt** is not a picture that I can read.",
        "- **b.png** is the same picture as another one.",
    ]


def test_times_are_said_in_both_languages() -> None:
    from bot.ui.look import duration

    assert [duration("en", seconds) for seconds in (0.4, 75, 3725)] == ["0 s", "1 min 15 s", "1 h 2 min"]
    assert duration("zh-CN", 75) == "1 分 15 秒"
    assert t("en", "train.left", time="9 s") == "about 9 s left"
