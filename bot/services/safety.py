"""What no prompt may ask for. The policy that people read is in `/help`; this is what it says in code.

A filter of words is a fence, not a judge: it stops the careless, and Report is there for the rest.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from bot.services.refusal import Refusal
from data.settings import GuildSettings

_LISTS: dict[str, str] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_CHILDREN, _SEXUAL, _CRUEL = (tuple(_LISTS[name].split()) for name in ("children", "sexual", "cruel"))


def check_prompt(settings: GuildSettings, text: str, *, age_restricted: bool) -> None:
    """Look through what a person wants to see (not what they want to avoid: leave negative prompts out).

    Sexual words together with children are refused always and everywhere. Level `standard` refuses the
    guild's own words, and sexual ones outside of age-restricted channels; `strict` refuses those, and
    cruelty, in every channel; `off` leaves it at the first rule.

    Raises Refusal: word_never, word_blocked.
    """
    check_never(text)
    if settings.safety == "off":
        return
    said = _plain(text)
    strict = settings.safety == "strict"
    found = _first(settings.words, said)
    if found is None and (strict or not age_restricted):
        found = _first(_SEXUAL, said)
    if found is None and strict:
        found = _first(_CRUEL, said)
    if found is not None:
        raise Refusal("word_blocked", word=found)


def check_never(text: str) -> None:
    """Refuse sexual words together with children, which no setting allows. Raises Refusal(word_never)."""
    said = _plain(text)
    if _first(_SEXUAL, said) is not None and _first(_CHILDREN, said) is not None:
        raise Refusal("word_never")


def checks_pictures(settings: GuildSettings, *, age_restricted: bool) -> bool:
    """Whether the base's own safety checker looks at the pictures: where sexual words are refused."""
    return settings.safety == "strict" or (settings.safety == "standard" and not age_restricted)


def _first(words: Iterable[str], said: str) -> str | None:
    found = _pattern(tuple(words)).search(said)
    return found.group() if found else None


@lru_cache(maxsize=256)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """Any of the words, whole; Chinese has no spaces between words, so there a part is enough."""
    alternatives = []
    for word in filter(None, map(_plain, words)):
        # Not `\b`: a word may begin or end with a sign.
        before, after = (r"(?<!\w)", r"(?!\w)") if word.isascii() else ("", "")
        alternatives.append(f"{before}{re.escape(word)}{after}")
    return re.compile("|".join(alternatives) or r"(?!)")


def _plain(text: str) -> str:
    """Lower case, one space, without the marks, widths and invisible characters that hide a word."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    kept = "".join(one for one in decomposed if unicodedata.category(one) not in ("Mn", "Cf"))
    return " ".join(kept.split())
