"""Puts shared prompts into the gallery channel of a server, and posts its digest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import discord
from discord import ui

from bot.channels import may_post, samples_channel
from bot.faults import Fault, fault_of, nowhere_to_go
from bot.locales import language_for
from bot.messenger import Place, Sheet, Subject
from bot.services.gallery import Entry
from bot.services.refusal import Refusal
from bot.ui.gallery_card import Media, digest_card, shared_card, vote_row
from bot.ui.pictures import files_of, thumbnails_of
from bot.ui.train_card import samples_card
from data.gallery import Shared
from data.jobs import JobKind

if TYPE_CHECKING:
    from bot.app import App

log = logging.getLogger(__name__)


async def gallery_channel(app: App, guild_id: int) -> discord.TextChannel | None:
    """Where a server shows what is shared: the channel that the admins chose, else that of the samples."""
    guild = app.bot.get_guild(guild_id)
    if guild is None:
        return None
    settings = await app.settings.get(guild_id)
    chosen = guild.get_channel(settings.gallery_channel_id) if settings.gallery_channel_id else None
    if isinstance(chosen, discord.TextChannel) and may_post(chosen):
        return chosen
    return await samples_channel(guild, settings)


async def render(app: App, shared: Shared, media: Sequence[Media]) -> ui.LayoutView:
    """The card of an entry as it is now. Raises Refusal(no_such_card) when its pictures are gone."""
    job = await app.jobs.get(shared.job_id)
    picture = await app.pictures.get(shared.picture_id)
    if job is None or picture is None or picture.deleted_at is not None:
        raise Refusal("no_such_card")
    if job.kind is JobKind.train:
        return samples_card(job, media, vote_row(job.locale, shared, picture.idx))
    model = await app.models.get(job.model_id) if job.model_id else None
    return shared_card(shared, job, picture, model, media)


def entry_of(app: App, shared: Shared, channel_id: int) -> Subject:
    """The card of an entry, which goes to `channel_id` if it is not there yet."""

    async def find() -> Place | None:
        with suppress(Refusal):
            current = await app.gallery.get(shared.id, shared.guild_id)
            if current.channel_id is not None and current.message_id is not None:
                return Place(current.channel_id, current.message_id)
        return None

    async def keep(place: Place) -> bool:
        return await app.gallery.posted(shared.id, *place)

    return Subject(f"shared:{shared.id}", channel_id, shared.guild_id, find, keep)


async def post_shared(app: App, shared: Shared, channel: discord.TextChannel) -> str:
    """Post an entry's card, or bring the one that stands there up to date, and return its address.

    Raises Refusal: no_such_card, picture_gone, nowhere_to_share; and one of `FAULTS` that may pass.
    """

    async def sheet() -> Sheet:
        current = await app.gallery.get(shared.id, shared.guild_id)
        picture = await app.pictures.get(shared.picture_id)
        if picture is None:
            raise Refusal("no_such_card")
        try:
            files = await asyncio.to_thread(files_of, [picture.path])
        except OSError as error:
            raise Refusal("picture_gone") from error
        return Sheet(await render(app, current, files), files)

    try:
        message = await app.messenger.show(entry_of(app, shared, channel.id), sheet)
    except discord.HTTPException as error:
        if fault_of(error) is Fault.trouble:
            raise
        raise Refusal("nowhere_to_share") from error
    if message is None:
        raise Refusal("nowhere_to_share")
    return message.jump_url


async def post_digest(app: App, guild_id: int, entries: tuple[Entry, ...]) -> None:
    """Show a server its best prompts of the week, where it may be shown at all.

    Raises what calls to Discord do when it is worth another try.
    """
    await app.bot.up.wait()
    channel = await gallery_channel(app, guild_id)
    if channel is None:
        log.info("guild %d has no channel for its digest", guild_id)
        return
    entries = tuple(entry for entry in entries if _is_for(channel, entry.shared))
    if not entries:
        return
    settings = await app.settings.get(guild_id)
    language = settings.language if settings.language != "auto" else channel.guild.preferred_locale

    async def sheet() -> Sheet:
        files = await thumbnails(entries)
        return Sheet(digest_card(language_for(language), entries, files), [*files.values()])

    best = "-".join(str(entry.shared.id) for entry in entries)
    with nowhere_to_go(f"the digest of guild {guild_id}"):
        await app.messenger.show(Subject(f"digest:{guild_id}:{best}", channel.id, guild_id), sheet)


def _is_for(channel: discord.TextChannel, shared: Shared) -> bool:
    """Whether everybody who reads a channel may see an entry's card, too, wherever that stands."""
    if shared.channel_id == channel.id:
        return True
    stands = channel.guild.get_channel(shared.channel_id or 0)
    if not isinstance(stands, discord.TextChannel) or (stands.is_nsfw() and not channel.is_nsfw()):
        return False
    return stands.permissions_for(channel.guild.default_role).read_messages


async def thumbnails(entries: Iterable[Entry]) -> dict[int, discord.File]:
    """Small pictures of entries by their ids, of those that can still be read."""
    paths = {str(entry.shared.id): entry.picture.path for entry in entries if entry.picture is not None}
    return {int(name): file for name, file in (await asyncio.to_thread(thumbnails_of, paths)).items()}
