"""The one visual language of every card: colours, the bar, how times and people's words are written."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Any

import discord
from discord import ui

from bot.locales import t

BAR_CELLS = 20

ALT_LIMIT = 256
"""Letters of a picture's description: it is read aloud."""

_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of whatever follows them; right-to-left letters need none of them."""


_LINKING = re.compile(r"\\.|\[|:(?=//)")
"""What is escaped already, and what begins a link: a bare address is one whatever stands around it, and one
with a title may be cut off before it is whole.
"""


class Accent(IntEnum):
    """The stripe beside a card: what state it is in, at a glance."""

    waiting = 0x99A1B3
    working = 0x6C5CE7
    done = 0x2ECC8F
    failed = 0xE8505B


def card(accent: Accent, *items: ui.Item[Any] | str) -> ui.LayoutView:
    """One container with a coloured stripe; plain strings become text."""
    children = [ui.TextDisplay[Any](item) if isinstance(item, str) else item for item in items]
    view = ui.LayoutView(timeout=None).add_item(ui.Container[Any](*children, accent_colour=int(accent)))
    # What is pressed on it is found by its id. discord.py would hold each private answer for 15 minutes.
    view.stop()
    return view


def note(text: str, accent: Accent = Accent.working) -> ui.LayoutView:
    """The smallest card: one text."""
    return card(accent, text)


def rule() -> ui.Separator[Any]:
    return ui.Separator(spacing=discord.SeparatorSpacing.small)


def bar(done: int, total: int) -> str:
    """A progress bar in characters that every client has in its fixed-width font."""
    share = min(max(done / total, 0.0), 1.0) if total > 0 else 0.0
    filled = round(share * BAR_CELLS)
    return f"`{'█' * filled}{'░' * (BAR_CELLS - filled)}` **{share:.0%}**"


def duration(locale: str, seconds: float) -> str:
    """A time span the way a person says it."""
    whole = max(0, round(seconds))
    if whole < 60:
        return t(locale, "time.seconds", n=whole)
    if whole < 3600:
        return t(locale, "time.minutes", n=whole // 60, seconds=whole % 60)
    return t(locale, "time.hours", n=whole // 3600, minutes=whole % 3600 // 60)


def bytes_of(size: int) -> str:
    """A size on disk the way a person says it."""
    if size < 2**20:
        return f"{size / 2**10:.0f} KiB"
    return f"{size / 2**20:.1f} MiB" if size < 2**30 else f"{size / 2**30:.2f} GiB"


def quoted(text: str, limit: int = 600) -> str:
    """A person's own words, on one line, unable to format, link or mention anything.

    They take up at most `limit` characters of a card, with what makes them harmless: signs take two.
    """
    line = " ".join(_TURNING.sub("", text).split())
    plain = _harmless(line)
    if len(plain) <= limit:
        return plain
    while len(plain) >= limit:
        line = line[: len(line) - max(1, (len(plain) - limit) // 2)]
        plain = _harmless(line)
    return plain + "…"


def _harmless(line: str) -> str:
    plain = discord.utils.escape_mentions(discord.utils.escape_markdown(line, ignore_links=False))
    plain = _LINKING.sub(lambda sign: sign[0] if sign[0][0] == "\\" else f"\\{sign[0]}", plain)
    # `<` also begins mentions of channels and commands, times and a server's own emoji.
    return plain.replace("<", "<\u200b")
