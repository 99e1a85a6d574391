"""Every text that a person reads, from one catalogue per language: `<language>.toml` beside this file.

A key is `table.name`. English is complete; a test holds the other languages to the same keys and
parameters.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

DEFAULT = "en"
LANGUAGES: Mapping[str, str] = {"en": "English", "zh-CN": "简体中文"}
"""Code (as Discord spells it) -> the language's own name."""


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """All texts of one language, by dotted key."""
    text = (files(__package__) / f"{language}.toml").read_text(encoding="utf-8")
    return dict(_flatten("", tomllib.loads(text)))


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
