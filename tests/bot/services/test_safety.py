"""What a prompt may not say, on which level and where."""

from __future__ import annotations

import pytest

from bot.services.refusal import Refusal
from bot.services.safety import check_prompt, checks_pictures
from data.settings import GuildSettings, SafetyLevel


def refusal(
    text: str, safety: SafetyLevel = "standard", *, adults: bool = False, words: str = ""
) -> str | None:
    settings = GuildSettings(safety=safety, words=tuple(words.split()))
    try:
        check_prompt(settings, text, age_restricted=adults)
    except Refusal as error:
        return error.code
    return None


@pytest.mark.parametrize(
    "text",
    [
        "me, nude",
        "me, N\u200bude",
        "me as \uff4e\uff55\uff44\uff45 art",
        "me, núde",
        "一张裸体照片",
        "my NUDE\nportrait",
    ],
)
def test_disguises_do_not_help(text: str) -> None:
    assert refusal(text) == "word_blocked"


@pytest.mark.parametrize(
    "text", ["a denuded hill", "oil painting of me in Essex", "me with my kids", "我和孩子"]
)
def test_words_inside_of_words_and_families_are_fine(text: str) -> None:
    assert refusal(text, "strict") is None


def test_levels_and_channels() -> None:
    assert refusal("me, nude", adults=True) is None
    assert refusal("me, nude", "strict", adults=True) == "word_blocked"
    assert refusal("me, nude", "off") is None
    assert refusal("a gory fight") is None
    assert refusal("a gory fight", "strict") == "word_blocked"


def test_a_guilds_own_words_hold_everywhere_but_not_when_off() -> None:
    assert refusal("a Clown in the rain", words="clown", adults=True) == "word_blocked"
    assert refusal("clowns", words="clown") is None
    assert refusal("a cat", words="\u200b clown") is None, "a word that nobody can see forbids nothing"
    assert refusal("my a$$, please", words="a$$") == "word_blocked"
    assert refusal("a clown", "off", words="clown") is None


def test_one_rule_no_setting_lifts() -> None:
    assert refusal("naked schoolgirl", "off", adults=True) == "word_never"
    assert refusal("色情 萝莉", "off", adults=True) == "word_never"


@pytest.mark.parametrize(
    ("safety", "adults", "checked"),
    [
        ("strict", False, True),
        ("strict", True, True),
        ("standard", False, True),
        ("standard", True, False),
        ("off", False, False),
    ],
)
def test_pictures_are_checked_where_sexual_words_are_refused(
    safety: SafetyLevel, adults: bool, checked: bool
) -> None:
    assert checks_pictures(GuildSettings(safety=safety), age_restricted=adults) is checked
    assert (refusal("me, nude", safety, adults=adults) is not None) is checked
