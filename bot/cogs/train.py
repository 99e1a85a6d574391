"""`/train`: photos in, a model out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import aiohttp
import discord
from discord import app_commands
from discord.ext import commands

from bot.cards import post_card
from bot.channels import origin_of
from bot.locales import t
from bot.selfies import SELFIES_NAME, selfies
from bot.services.refusal import Notice
from bot.services.training import Accepted, Upload
from bot.translator import text
from bot.ui.buttons import on_press
from bot.ui.look import Accent, card
from bot.ui.replies import explain, language_of, show
from bot.ui.train_form import CLASSES, Submission, TrainForm, class_label
from data.jobs import Origin

if TYPE_CHECKING:
    from bot.client import LikenessBot

log = logging.getLogger(__name__)

MAX_UPLOAD = 20 * 2**20
_ROOM = asyncio.Semaphore(2)
"""Submissions whose photos are in memory at once; the others wait, acknowledged."""

"""Bytes of one photo; Discord gives 10 MiB to most people."""


class Train(commands.Cog):
    """The command, its form, and the button that trains on the bundled selfies."""

    @app_commands.command(name=text("command.train.name"), description=text("command.train.description"))
    @app_commands.rename(class_name=text("option.class.name"))
    @app_commands.describe(
        name=text("option.name.description"),
        class_name=text("option.class.description"),
        consent=text("option.consent.description"),
        steps=text("option.train_steps.description"),
        **{f"photo{number}": text("option.photo.description") for number in range(1, 11)},
    )
    @app_commands.guild_only()
    async def train(
        self,
        interaction: discord.Interaction[LikenessBot],
        name: str = "",
        class_name: app_commands.Range[str, 1, 32] = CLASSES[0],
        consent: bool = False,
        steps: app_commands.Range[int, 1, 20_000] | None = None,
        photo1: discord.Attachment | None = None,
        photo2: discord.Attachment | None = None,
        photo3: discord.Attachment | None = None,
        photo4: discord.Attachment | None = None,
        photo5: discord.Attachment | None = None,
        photo6: discord.Attachment | None = None,
        photo7: discord.Attachment | None = None,
        photo8: discord.Attachment | None = None,
        photo9: discord.Attachment | None = None,
        photo10: discord.Attachment | None = None,
    ) -> None:
        origin = await origin_of(interaction)
        given = (photo1, photo2, photo3, photo4, photo5, photo6, photo7, photo8, photo9, photo10)
        photos = [photo for photo in given if photo is not None]
        if photos:
            await submit(interaction, Submission(name, class_name, photos, consent, steps))
            return
        form = TrainForm(origin["locale"], submit, name=name, class_name=class_name, steps=steps)
        await interaction.response.send_modal(form)

    @train.autocomplete("class_name")
    async def offer_classes(
        self, interaction: discord.Interaction[LikenessBot], current: str
    ) -> list[app_commands.Choice[str]]:
        locale = await language_of(interaction)
        labels = {word: class_label(locale, word) for word in CLASSES}
        typed = current.casefold()
        return [
            app_commands.Choice(name=label, value=word)
            for word, label in labels.items()
            if typed in word or typed in label.casefold()
        ]


async def submit(interaction: discord.Interaction[LikenessBot], submission: Submission) -> None:
    """Take over a submission: acknowledge, fetch the photos while their links live, and queue the job."""
    origin = await origin_of(interaction)
    await interaction.response.defer(ephemeral=True, thinking=True)
    await interaction.client.app.training.check(
        origin,
        name=submission.name.strip(),
        class_name=submission.class_name.strip().lower(),
        consent=submission.consent,
        photos=len(submission.photos),
        steps=submission.steps,
    )
    async with _ROOM:
        fetched = await asyncio.gather(*(_fetch(photo) for photo in submission.photos))
        uploads = [upload for upload in fetched if isinstance(upload, Upload)]
        missed = [notice for notice in fetched if isinstance(notice, Notice)]
        await _accept(interaction, origin, submission, uploads, missed)


@on_press("selfies")
async def train_on_selfies(interaction: discord.Interaction[LikenessBot], _id: int, _index: int) -> None:
    """The sandbox's shortcut: the bundled toy selfies, whose person is drawn and needs no consent."""
    origin = await origin_of(interaction)
    await interaction.response.defer(ephemeral=True, thinking=True)
    uploads = await asyncio.to_thread(selfies)
    await _accept(interaction, origin, Submission(SELFIES_NAME, CLASSES[0], [], consent=True), uploads, [])


async def _fetch(photo: discord.Attachment) -> Upload | Notice:
    if photo.size > MAX_UPLOAD:
        return Notice("upload_too_big", {"name": photo.filename, "limit": MAX_UPLOAD // 2**20})
    try:
        return Upload(photo.filename, await photo.read())
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        log.warning("an attachment could not be fetched: %s", error)
        return Notice("upload_lost", {"name": photo.filename})


async def _accept(
    interaction: discord.Interaction[LikenessBot],
    origin: Origin,
    submission: Submission,
    uploads: Sequence[Upload],
    missed: Sequence[Notice],
) -> None:
    client = interaction.client
    accepted = await client.app.training.accept(
        uploads,
        name=submission.name.strip(),
        class_name=submission.class_name.strip().lower(),
        consent=submission.consent,
        steps=submission.steps,
        **origin,
    )
    message = await post_card(client.app, accepted.job, origin["channel_id"])
    await show(interaction, _receipt(origin["locale"], accepted, missed, message.jump_url))


def _receipt(
    locale: str, accepted: Accepted, missed: Sequence[Notice], card_url: str
) -> discord.ui.LayoutView:
    """What the person alone is told: which photos were taken, and every warning."""
    lines = [t(locale, "train.accepted", photos=accepted.job.photos, url=card_url)]
    lines += [f"⚠️ {explain(locale, notice.code, notice.params)}" for notice in (*missed, *accepted.warnings)]
    return card(Accent.done, "\n".join(lines))


async def setup(bot: LikenessBot) -> None:
    await bot.add_cog(Train())
