"""Every text that a person reads: one catalogue a language, one file a family of commands.

The files are `<language>/<family>.toml` beside this one. A key is `table.name`; several files may add to a
table. English is complete; a test holds the other languages to the same keys and parameters.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

DEFAULT = "en"
LANGUAGES: Mapping[str, str] = {"en": "English", "zh-CN": "简体中文"}
"""Code (as Discord spells it) -> the language's own name."""


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """All texts of one language, by dotted key."""
    texts: dict[str, str] = {}
    for family in (files(__package__) / language).iterdir():
        for key, text in _flatten("", tomllib.loads(family.read_text(encoding="utf-8"))):
            if key in texts:
                raise ValueError(f"{key} stands twice in the {language} catalogue")
            texts[key] = text
    return texts


@lru_cache
def language_for(locale: object) -> str:
    """The catalogue for a Discord locale: any Chinese reads Chinese, everybody else English."""
    code = str(locale)
    if code in LANGUAGES:
        return code
    return "zh-CN" if code.startswith("zh") else DEFAULT


def t(locale: object, key: str, **params: object) -> str:
    """The text `key` in the language for `locale`, with its `{parameters}` filled in."""
    return catalogue(language_for(locale))[key].format(**params)


def has(key: str) -> bool:
    """Whether the catalogue holds `key`, for the few keys that are made of an error's code."""
    return key in catalogue(DEFAULT)


def _flatten(prefix: str, table: Mapping[str, Any]) -> list[tuple[str, str]]:
    flat: list[tuple[str, str]] = []
    for name, value in table.items():
        key = f"{prefix}{name}"
        flat += _flatten(f"{key}.", value) if isinstance(value, Mapping) else [(key, str(value).strip())]
    return flat
