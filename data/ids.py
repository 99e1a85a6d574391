"""One reading of the numbers by which people, menus and folders call rows."""

from __future__ import annotations

LARGEST = 2**63 - 1
"""SQLite has no greater whole number, and Discord no greater id."""


def row_id(said: str) -> int | None:
    """The id that `said` spells; None for whatever no row can be called.

    `str.isdigit` won't do: it takes `²` and `①`, which `int` doesn't. And `int` reads no text of thousands
    of digits.
    """
    digits = said.strip()
    if not digits.isdecimal() or len(digits) > len(str(LARGEST)) or int(digits) > LARGEST:
        return None
    return int(digits)
