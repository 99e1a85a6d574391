"""The styles that a prompt can be put into: the lesson's templates and more, and those of a guild."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.services.refusal import Refusal
from bot.services.safety import check_prompt
from bot.services.wording import BadTemplate, check_template
from data.settings import Settings
from data.styles import GuildStyle, Styles
from inference.bases import BASES

MAX_TEMPLATE = 300
MAX_STYLES = 25
"""Styles of a guild's own."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True)
class Style:
    """A template for prompts, see `bot.services.wording.fill`."""

    name: str
    template: str
    toy: bool = False
    """Whether the mini model's vocabulary knows its words."""
    own: bool = False
    """Whether a guild's admins added it."""


BUILT_IN = (
    # The three templates of the lesson (step 10).
    Style(
        "concept-art",
        "concept art oil painting of [SUBJECT] by [ARTIST|John Singer Sargent],"
        " extremely detailed, artstation, 4k",
    ),
    Style("tv-show", "portrait of [SUBJECT] in the TV show [SHOW|Twin Peaks], film still, highly detailed"),
    Style(
        "character",
        "portrait of [SUBJECT] as [CHARACTER|a medieval knight], digital painting, highly detailed",
    ),
    Style("photo", "photo of [SUBJECT]", toy=True),
    Style("oil-painting", "oil painting of [SUBJECT]", toy=True),
    Style("pencil-sketch", "pencil sketch of [SUBJECT]", toy=True),
    Style("pixel-art", "pixel art of [SUBJECT]", toy=True),
    Style("film-still", "film still of [SUBJECT], cinematic lighting, 35mm, shallow depth of field"),
    Style("watercolour", "watercolour painting of [SUBJECT], soft washes of colour, white paper"),
    Style("comic", "comic book panel of [SUBJECT], bold ink lines, halftone dots, flat colours"),
)


class StyleBook:
    """All styles of a guild, and what its admins may do with them."""

    def __init__(self, styles: Styles, settings: Settings, *, base: str) -> None:
        self._styles = styles
        self._settings = settings
        self._toy = base in (BASES["mini"].alias, BASES["mini"].source)

    async def of_guild(self, guild_id: int) -> list[Style]:
        """The guild's own styles, then the built-in ones; first those that the installation's base knows."""
        own = [Style(style.name, style.template, own=True) for style in await self._styles.of_guild(guild_id)]
        names = {style.name for style in own}
        built_in = [style for style in BUILT_IN if style.name not in names]
        if self._toy:
            built_in.sort(key=lambda style: not style.toy)
        return own + built_in

    async def find(self, guild_id: int, name: str) -> Style:
        """Raises Refusal(no_such_style)."""
        wanted = name.strip().casefold()
        for style in await self.of_guild(guild_id):
            if style.name == wanted:
                return style
        raise Refusal("no_such_style", name=name)

    async def add(self, guild_id: int, name: str, template: str) -> Style:
        """Keep a style of a guild's own, in place of one of the same name.

        Raises Refusal: bad_style_name, bad_template, template_too_long, too_many_styles, word_never,
        word_blocked.
        """
        name = re.sub(r"[\s_]+", "-", name.strip().casefold())
        template = " ".join(template.split())
        if not _NAME.fullmatch(name):
            raise Refusal("bad_style_name")
        if len(template) > MAX_TEMPLATE:
            raise Refusal("template_too_long", limit=MAX_TEMPLATE)
        try:
            check_template(template)
        except BadTemplate as error:
            raise Refusal("bad_template") from error
        check_prompt(await self._settings.get(guild_id), template, age_restricted=False)
        if not await self._styles.add(guild_id, GuildStyle(name, template), MAX_STYLES):
            raise Refusal("too_many_styles", limit=MAX_STYLES)
        return Style(name, template, own=True)

    async def remove(self, guild_id: int, name: str) -> None:
        """Forget a style of a guild's own. Raises Refusal: no_such_style, built_in_style."""
        wanted = name.strip().casefold()
        if await self._styles.remove(guild_id, wanted):
            return
        if any(style.name == wanted for style in BUILT_IN):
            raise Refusal("built_in_style", name=wanted)
        raise Refusal("no_such_style", name=name)
