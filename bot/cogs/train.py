"""`/train`: photos in, a contact sheet to look at, and a training once Start is pressed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands
from discord.http import HTTPClient

from bot.asking import asker_of
from bot.cards import post_card
from bot.channels import origin_of
from bot.faults import FAULTS, Fault, fault_of
from bot.locales import t
from bot.rules import member, own_draft
from bot.selfies import SELFIES_NAME, selfies
from bot.services.intake import Upload
from bot.services.refusal import Refusal
from bot.services.wish import Wish, bases_offered
from bot.translator import options, text
from bot.ui.buttons import on_press
from bot.ui.forms import Answers, on_form
from bot.ui.look import Accent, note
from bot.ui.replies import language_of, replace, show
from bot.ui.train_form import CLASSES, TrainForm, class_label
from bot.ui.train_sheet import CropSelect, contact_sheet, missing_card, on_pick, sheet_card
from data.drafts import Attached, Draft
from trainer.presets import Preset
from trainer.spec import MAX_PHOTOS, Method

if TYPE_CHECKING:
    from bot.app import App
    from bot.client import LikenessBot
    from bot.services.imagining import Asker
    from data.jobs import Job

log = logging.getLogger(__name__)

MAX_UPLOAD = 20 * 2**20
"""Bytes of one photo; Discord gives 10 MiB to most people."""

_METHODS: tuple[Method, ...] = ("full", "lora")
_PRESETS: tuple[Preset, ...] = ("lesson", "quick", "careful")


class Train(commands.Cog):
    """The command and what its options offer."""

    @app_commands.command(name=text("command.train.name"), description=text("command.train.description"))
    @options(
        name="option.name",
        class_name="option.class",
        consent="option.consent",
        steps="option.train_steps",
        base="option.train_base",
        method="option.train_method",
        preset="option.train_preset",
        sample_prompt="option.sample_prompt",
        **{f"photo{number}": "option.photo" for number in range(1, 11)},
    )
    @app_commands.choices(
        method=[app_commands.Choice(name=text(f"train_method.{one}"), value=one) for one in _METHODS],
        preset=[app_commands.Choice(name=text(f"train_preset.{one}"), value=one) for one in _PRESETS],
    )
    @app_commands.guild_only()
    async def train(
        self,
        interaction: discord.Interaction[LikenessBot],
        name: str = "",
        class_name: app_commands.Range[str, 1, 32] = CLASSES[0],
        consent: bool = False,
        steps: app_commands.Range[int, 1, 20_000] | None = None,
        base: str = "",
        method: str = "",
        preset: str = "lesson",
        sample_prompt: app_commands.Range[str, 0, 1000] = "",
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
        wish = Wish(
            name=name.strip(),
            class_name=class_name.strip().lower(),
            steps=steps,
            base=base.strip() or None,
            method=next((one for one in _METHODS if one == method), None),
            preset=next((one for one in _PRESETS if one == preset), "lesson"),
            sample_prompt=sample_prompt,
        )
        given = (photo1, photo2, photo3, photo4, photo5, photo6, photo7, photo8, photo9, photo10)
        photos = [photo for photo in given if photo is not None]
        if photos:
            await _prepare(interaction, wish, [_attached(photo) for photo in photos], consent)
        else:
            await _open_form(interaction, wish)

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

    @train.autocomplete("base")
    async def offer_bases(
        self, interaction: discord.Interaction[LikenessBot], current: str
    ) -> list[app_commands.Choice[str]]:
        app = interaction.client.app
        offered = bases_offered(await app.settings.get(interaction.guild_id or 0), app.config.base)
        typed = current.casefold()
        fitting = [base for base in offered if typed in base.casefold() and len(base) <= 100]
        return [app_commands.Choice(name=base, value=base) for base in fitting[:25]]


@app_commands.context_menu(name=text("command.train_menu.name"))
@app_commands.guild_only()
async def train_on_message(interaction: discord.Interaction[LikenessBot], message: discord.Message) -> None:
    """*Train on these photos*: the form, with the photos of a message in the place of the upload."""
    # A forwarded message is empty itself and carries what it forwards.
    forwarded = (file for snapshot in message.message_snapshots for file in snapshot.attachments)
    attached = (*message.attachments, *forwarded)
    photos = [file for file in attached if (file.content_type or "image/").startswith("image/")]
    if not photos:
        raise Refusal("no_photos_there")
    await _open_form(interaction, Wish(name=""), [_attached(photo) for photo in photos[:MAX_PHOTOS]])


@on_form("train", own_draft)
async def submit(
    interaction: discord.Interaction[LikenessBot], draft_id: int, _index: int, answers: Answers
) -> None:
    """Take over what was filled into the form, with what stood in the draft that it was opened on."""
    form = await interaction.client.app.drafting.of(draft_id, interaction.user.id)
    typed = {"name": answers.text("name").strip(), "class_name": answers.one("class")}
    wish = Wish.model_validate_json(form.wish).model_copy(update=typed)
    photos = [*form.attached, *answers.files("photos"), *answers.files("more_photos")]
    await _prepare(interaction, wish, photos, answers.ticked("consent"), form)


async def _open_form(
    interaction: discord.Interaction[LikenessBot], wish: Wish, photos: Sequence[Attached] = ()
) -> None:
    origin = await origin_of(interaction)
    drafting = interaction.client.app.drafting
    draft = await drafting.ask(wish, photos, asker=asker_of(interaction), **origin)
    await interaction.response.send_modal(TrainForm(origin["locale"], draft))


async def _prepare(
    interaction: discord.Interaction[LikenessBot],
    wish: Wish,
    photos: Sequence[Attached],
    consent: bool,
    form: Draft | None = None,
) -> None:
    """Acknowledge, fetch the photos while their links live, and show what became of them."""
    origin, asker = await origin_of(interaction), asker_of(interaction)
    again = interaction.message is not None  # the form was opened from an earlier sheet, which makes room
    if again:
        await interaction.response.defer()
    else:
        await interaction.response.defer(ephemeral=True, thinking=True)
    http = interaction.client.http
    uploads = [Upload(photo.filename, partial(_fetch, http, photo)) for photo in photos]
    drafting = interaction.client.app.drafting
    draft = await drafting.draft(uploads, wish, consent=consent, form=form, asker=asker, **origin)
    await _show_draft(interaction, draft, in_place=again)


@on_press("agree", own_draft)
async def agree(interaction: discord.Interaction[LikenessBot], draft_id: int, _index: int) -> None:
    """The person may use the photos: now they are looked at."""
    await _go_on(interaction, draft_id, interaction.client.app.drafting.agree)


@on_press("retry", own_draft)
async def retry(interaction: discord.Interaction[LikenessBot], draft_id: int, _index: int) -> None:
    """What was not to be had may be there now, such as the base."""
    await _go_on(interaction, draft_id, interaction.client.app.drafting.retry)


@on_press("default", own_draft)
async def use_default(interaction: discord.Interaction[LikenessBot], draft_id: int, _index: int) -> None:
    """Go on without the option that was not right; the photos are there already."""
    await _go_on(interaction, draft_id, interaction.client.app.drafting.use_default)


@on_press("start", own_draft)
async def start(interaction: discord.Interaction[LikenessBot], draft_id: int, _index: int) -> None:
    """The draft becomes a job, with a card of its own in the channel."""
    locale = (await origin_of(interaction))["locale"]
    await interaction.response.defer()
    app = interaction.client.app
    job = await app.training.start(draft_id, interaction.user.id, asker_of(interaction))
    await replace(interaction, await _started(interaction, job, locale))


@on_press("photos", own_draft)
async def change_photos(interaction: discord.Interaction[LikenessBot], draft_id: int, _index: int) -> None:
    """The form again, as it was filled in, for other photos, or for more where there were too few."""
    draft = await interaction.client.app.drafting.of(draft_id, interaction.user.id)
    await interaction.response.send_modal(TrainForm(await language_of(interaction), draft))


@on_press("discard", own_draft)
async def discard(interaction: discord.Interaction[LikenessBot], draft_id: int, _index: int) -> None:
    """The photos go at once."""
    await interaction.client.app.drafting.discard(draft_id, interaction.user.id)
    await replace(interaction, note(t(await language_of(interaction), "sheet.discarded"), Accent.done))


@on_pick(own_draft)
async def pick(interaction: discord.Interaction[LikenessBot], draft_id: int, places: list[int]) -> None:
    """Other crops are used."""
    if not places:  # the menu asks for one at least
        raise Refusal("old_button")
    draft = await interaction.client.app.drafting.use(draft_id, interaction.user.id, places)
    await interaction.response.defer()
    await _show_draft(interaction, draft, in_place=True)


@on_press("selfies", member)
async def train_on_selfies(interaction: discord.Interaction[LikenessBot], _id: int, _index: int) -> None:
    """The sandbox's shortcut: the bundled toy selfies, whose person is drawn and needs no consent."""
    origin = await origin_of(interaction)
    await interaction.response.defer(ephemeral=True, thinking=True)
    app = interaction.client.app
    draft = await app.drafting.draft(selfies(), Wish(name=SELFIES_NAME), consent=True, **origin)
    if not draft.crops:
        await _show_draft(interaction, draft, in_place=False)
        return
    job = await app.training.start(draft.id, interaction.user.id)
    await show(interaction, await _started(interaction, job, origin["locale"]))


async def _go_on(
    interaction: discord.Interaction[LikenessBot],
    draft_id: int,
    step: Callable[[int, int, Asker], Awaitable[Draft]],
) -> None:
    """Take a step with a draft that something was missing for, and show what became of it."""
    await interaction.response.defer()
    draft = await step(draft_id, interaction.user.id, asker_of(interaction))
    await _show_draft(interaction, draft, in_place=True)


async def _show_draft(interaction: discord.Interaction[LikenessBot], draft: Draft, *, in_place: bool) -> None:
    """The contact sheet, or what is missing for one."""
    app, locale = interaction.client.app, await language_of(interaction)
    put = replace if in_place else show
    if not draft.crops:
        await put(interaction, missing_card(locale, draft))
        return
    prospect = await app.training.prospect(draft)
    picture = await asyncio.to_thread(contact_sheet, draft.crops, app.drafting.crop_files(draft))
    await put(interaction, sheet_card(locale, prospect, picture), [picture])


async def _started(
    interaction: discord.Interaction[LikenessBot], job: Job, locale: str
) -> discord.ui.LayoutView:
    """Post the job's card; what the person alone is told. Raises Refusal as `_without_card` does."""
    app, refused = interaction.client.app, False
    try:
        message = await post_card(app, job, job.channel_id)
    except FAULTS as error:
        log.warning("the card of job %d could not be posted: %s", job.id, error)
        message, refused = None, fault_of(error) is not Fault.trouble
    if message is None:
        said = await _without_card(app, job.id, refused=refused)
        return note(t(locale, said, photos=job.photos), Accent.done)
    return note(t(locale, "train.accepted", photos=job.photos, url=message.jump_url), Accent.done)


async def _without_card(app: App, job_id: int, *, refused: bool) -> str:
    """What to say of a training that has no card so far; `refused` is whether Discord never takes that one.

    Raises Refusal(no_such_job) where it was erased meanwhile.
    """
    job = await app.jobs.get(job_id)
    if job is None:
        raise Refusal("no_such_job")
    if not job.state.ended:
        return "train.accepted_unseen"
    # Its end has a card of its own, unless Discord took neither.
    comes = job.message_id is not None or not (refused or job.announced)
    return "train.accepted_ended" if comes else "train.ended_unseen"


def _attached(photo: discord.Attachment) -> Attached:
    return Attached(photo.filename, photo.url, photo.size)


async def _fetch(http: HTTPClient, photo: Attached) -> bytes:
    if photo.size > MAX_UPLOAD:
        raise Refusal("upload_too_big", name=photo.filename, limit=MAX_UPLOAD // 2**20)
    try:
        return await http.get_from_cdn(photo.url)
    except FAULTS as error:
        log.warning("an attachment could not be fetched: %s", error)
        raise Refusal("upload_lost", name=photo.filename) from error


async def setup(bot: LikenessBot) -> None:
    bot.add_dynamic_items(CropSelect)
    await bot.add_cog(Train())
    bot.tree.add_command(train_on_message)
