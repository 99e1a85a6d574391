"""One reading of the numbers by which people, menus and folders call rows."""

from __future__ import annotations

_MOST_DIGITS = 18
"""SQLite's whole numbers end at 2^63 - 1, which has 19."""


def row_id(said: str) -> int | None:
    """The id that `said` spells; None for whatever no row can be called.

    `str.isdigit` won't do: it takes `²` and `①`, which `int` doesn't.
    """
    digits = said.strip()
    return int(digits) if digits.isdecimal() and len(digits) <= _MOST_DIGITS else None
