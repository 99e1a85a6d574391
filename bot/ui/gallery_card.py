"""Cards of shared prompts: one in the gallery, lists of them, and the weekly digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import discord
from discord import ui

from bot.locales import t
from bot.services.gallery import Entry, Page
from bot.ui.buttons import CardButton
from bot.ui.draw_card import settings_line
from bot.ui.look import ALT_LIMIT, Accent, card, quoted, rule
from data.gallery import Order, Shared
from data.jobs import Job
from data.models import Model
from data.pictures import Picture

Media = discord.File | str
"""A picture to upload, or `attachment://name` for one that the message has."""


def shared_card(
    shared: Shared, job: Job, picture: Picture, model: Model | None, media: Sequence[Media]
) -> ui.LayoutView:
    """A shared picture in the gallery."""
    locale = job.locale
    gallery = ui.MediaGallery[Any]()
    for one in media:
        alt = t(locale, "draw.alt", n=picture.idx + 1, prompt=shared.prompt)
        gallery.add_item(media=one, description=alt[:ALT_LIMIT])
    facts = settings_line(locale, job, picture, model)
    by = t(locale, "gallery.by", user=f"<@{shared.user_id}>")
    return card(
        Accent.done,
        f"### {quoted(shared.prompt)}",
        gallery,
        f"-# {facts}\n-# {by}",
        vote_row(locale, shared, picture.idx),
    )


def vote_row(locale: str, shared: Shared, index: int) -> ui.ActionRow[Any]:
    """The votes with their counts, *Try it on me*, and Report of picture `index`."""
    return ui.ActionRow[Any](
        CardButton("works", shared.id, label=t(locale, "button.works", n=shared.works), emoji="👍"),
        CardButton("fails", shared.id, label=t(locale, "button.fails", n=shared.fails), emoji="👎"),
        _try(locale, shared),
        CardButton("report", shared.job_id, index, label=t(locale, "button.report"), emoji="🚩"),
    )


def page_card(
    locale: str,
    order: Order,
    page: Page,
    thumbnails: Mapping[int, discord.File],
    *,
    words: str = "",
    search_id: int = 0,
    hidden: int = 0,
) -> ui.LayoutView:
    """A page of a list; `thumbnails` by the ids of the entries. `hidden` more are not for this channel."""
    title = f"## {t(locale, f'prompts.{order}', words=quoted(words, 100))}"
    if hidden:
        title += f"\n-# {t(locale, 'prompts.hidden', n=hidden)}"
    elif not page.entries:
        return card(Accent.waiting, title, t(locale, "prompts.none"))
    items = _entries(locale, page.entries, thumbnails)
    turns = [
        CardButton(
            f"prompts{order}",
            search_id if order is Order.search else number,
            number if order is Order.search else 0,
            label=t(locale, key),
        )
        for key, number, there in (
            ("button.previous", page.number - 1, page.number > 0),
            ("button.next", page.number + 1, page.more),
        )
        if there
    ]
    return card(Accent.working, title, *items, *([ui.ActionRow[Any](*turns)] if turns else []))


def digest_card(
    locale: str, entries: Sequence[Entry], thumbnails: Mapping[int, discord.File]
) -> ui.LayoutView:
    """The best of a week."""
    title = f"## {t(locale, 'gallery.digest')}\n{t(locale, 'gallery.digest_help')}"
    return card(Accent.done, title, rule(), *_entries(locale, entries, thumbnails))


def _entries(
    locale: str, entries: Sequence[Entry], thumbnails: Mapping[int, discord.File]
) -> list[ui.Item[Any] | str]:
    items: list[ui.Item[Any] | str] = []
    for entry in entries:
        shared = entry.shared
        facts = t(
            locale,
            "gallery.votes",
            works=shared.works,
            fails=shared.fails,
            user=f"<@{shared.user_id}>",
            when=f"<t:{int(shared.created_at)}:R>",
        )
        about = f"**{quoted(shared.prompt, 300)}**\n-# {facts}"
        file = thumbnails.get(shared.id)
        if file is None:
            items.append(about)
        else:
            alt = t(locale, "gallery.alt", prompt=shared.prompt)[:ALT_LIMIT]
            picture = ui.Thumbnail[Any](file, description=alt)
            items.append(ui.Section(ui.TextDisplay[Any](about), accessory=picture))
        url = f"https://discord.com/channels/{shared.guild_id}/{shared.channel_id}/{shared.message_id}"
        show = ui.Button[Any](label=t(locale, "button.show_card"), url=url)
        items.append(ui.ActionRow[Any](_try(locale, shared), show))
    return items


def _try(locale: str, shared: Shared) -> CardButton:
    label, style = t(locale, "button.try_on"), discord.ButtonStyle.primary
    return CardButton("tryon", shared.id, label=label, emoji="✨", style=style)
