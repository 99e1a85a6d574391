"""Report, under every picture; and the moderators' card with Remove and Dismiss."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import discord
from discord import ui

from bot.channels import may_post
from bot.faults import FAULTS
from bot.locales import language_for, t
from bot.messenger import Place, Sheet, Subject
from bot.rules import moderated_report, reportable_job
from bot.services.draw_payload import is_private
from bot.services.refusal import Refusal
from bot.services.reports import MAX_REASON
from bot.ui.buttons import CardButton, on_press
from bot.ui.forms import Answers, Form, on_form
from bot.ui.look import ALT_LIMIT, Accent, card, note, quoted
from bot.ui.pictures import files_of
from bot.ui.replies import answer, language_of, replace
from data.ids import row_id
from data.jobs import Job, JobKind
from data.pictures import Picture
from data.reports import ALL, Report
from data.settings import GuildSettings

if TYPE_CHECKING:
    from bot.app import App
    from bot.client import LikenessBot

log = logging.getLogger(__name__)

_SHOWN = 4


class ReportForm(Form):
    """Asks why, and which picture where there are several."""

    def __init__(
        self, locale: str, job_id: int, pictures: Sequence[Picture], chosen: int, *, complete: bool
    ) -> None:
        super().__init__("report", job_id, chosen, title=t(locale, "complaint.title"))
        reason = ui.TextInput[Any](
            custom_id="reason", style=discord.TextStyle.paragraph, min_length=3, max_length=MAX_REASON
        )
        self.add_item(
            ui.Label(
                text=t(locale, "complaint.reason"),
                description=t(locale, "complaint.reason_help"),
                component=reason,
            )
        )
        if len(pictures) > 1:
            labels = {ALL: t(locale, "complaint.all")} if complete else {}
            labels |= {one.idx: t(locale, "complaint.one", n=one.idx + 1) for one in pictures[:20]}
            options = [
                discord.SelectOption(label=label, value=str(idx), default=idx == chosen)
                for idx, label in labels.items()
            ]
            which = ui.Select[Any](custom_id="which", options=options)
            self.add_item(ui.Label(text=t(locale, "complaint.which"), component=which))


@on_press("report", reportable_job)
async def report(interaction: discord.Interaction[LikenessBot], job_id: int, index: int) -> None:
    app, locale = interaction.client.app, await language_of(interaction)
    job = await app.jobs.get(job_id)
    if job is None:  # erased meanwhile
        raise Refusal("no_such_picture")
    pictures, complete = await app.reporting.reportable(job, interaction.user.id)
    # A training's samples are one card; and a result's own card means all that is on it.
    samples = job.kind is JobKind.train
    whole = interaction.message is not None and interaction.message.id == job.message_id
    about = ALL if samples or whole else index
    await app.reporting.check(job, about, interaction.user.id)
    form = ReportForm(locale, job_id, [] if samples else pictures, about, complete=complete)
    await interaction.response.send_modal(form)


@on_form("report", reportable_job)
async def reported(
    interaction: discord.Interaction[LikenessBot], job_id: int, index: int, answers: Answers
) -> None:
    """Take the report, and show it to the moderators."""
    await interaction.response.defer(ephemeral=True, thinking=True)
    app, locale = interaction.client.app, await language_of(interaction)
    chosen = next(map(row_id, answers.chosen("which")), index)
    job = await app.jobs.get(job_id)
    if job is None or chosen is None:
        raise Refusal("no_such_picture")
    reason = answers.text("reason")
    kept = await app.reporting.file(
        job, chosen, reporter_id=interaction.user.id, reason=reason, locale=locale
    )
    told = await _tell_moderators(interaction.client, kept)
    said = t(locale, "complaint.thanks" if told else "complaint.thanks_alone")
    await answer(interaction, said, Accent.done)


@on_press("takedown", moderated_report)
async def take_down(interaction: discord.Interaction[LikenessBot], report_id: int, _index: int) -> None:
    """Remove the picture everywhere, with one press."""
    app = interaction.client.app
    await interaction.response.defer()
    closed, job, left = await app.reporting.remove(report_id)
    if job is not None:
        await _show_anew(app, job, left)
    app.janitor.wake()
    await _conclude(interaction, closed, "removed")


async def _show_anew(app: App, job: Job, left: list[Picture]) -> None:
    """Let a job's card show only what is left, or remove it."""
    try:
        await app.cards.pictures_ready(job, left)
    except FAULTS as error:
        log.warning("the card of job %d could not be shown anew: %s", job.id, error)
        await app.reporting.take_card_down(job)


@on_press("dismiss", moderated_report)
async def dismiss(interaction: discord.Interaction[LikenessBot], report_id: int, _index: int) -> None:
    await interaction.response.defer()
    closed = await interaction.client.app.reporting.dismiss(report_id)
    await _conclude(interaction, closed, "dismissed")


async def _conclude(
    interaction: discord.Interaction[LikenessBot], closed: Sequence[Report], state: str
) -> None:
    locale = await language_of(interaction)
    done = t(locale, f"verdict.{state}", user=f"<@{interaction.user.id}>", job=closed[0].job_id)
    await replace(interaction, note(done, Accent.done))
    for one in closed:
        # Whoever takes no private messages has to look for themselves.
        with suppress(*FAULTS):
            await _tell(interaction.client, one, note(t(one.locale, f"verdict_told.{state}"), Accent.done))


async def _tell(client: LikenessBot, report: Report, view: ui.LayoutView) -> None:
    """Write to whoever reported."""

    async def sheet() -> Sheet:
        return Sheet(view)

    inbox = await client.create_dm(discord.Object(report.reporter_id))
    await client.app.messenger.show(Subject(f"verdict:{report.id}", inbox.id), sheet)


async def _tell_moderators(client: LikenessBot, report: Report) -> bool:
    """Show a report in the moderators' log, or privately to the server's owner. False when nobody saw it."""
    app = client.app
    alike = await app.reports.alike(report)
    first = next((one for one in alike if one.message_id is not None), (*alike, report)[0])
    settings = await app.settings.get(report.guild_id)
    locale = language_for(settings.language)

    async def sheet() -> Sheet | None:
        still, pictures = await app.reports.alike(report), await app.reporting.reported(report)
        if not still or not pictures:  # decided, or taken back, meanwhile
            return None
        files = await asyncio.to_thread(files_of, [one.path for one in pictures[:_SHOWN]])
        return Sheet(await _card(client, locale, still, pictures, files), files)

    try:
        channel_id = await _moderators(client, report.guild_id, settings)
        if channel_id is None:
            return False
        return await app.messenger.show(_subject(app, first, channel_id), sheet) is not None
    except FAULTS as error:
        log.warning("report %d could not be shown: %s", report.id, error)
        return False


async def _moderators(client: LikenessBot, guild_id: int, settings: GuildSettings) -> int | None:
    """The channel of the moderators' log, else of the server's owner."""
    guild = client.get_guild(guild_id)
    if guild is None:
        return None
    chosen = guild.get_channel(settings.modlog_channel_id or 0)
    if isinstance(chosen, discord.TextChannel) and may_post(chosen):
        return chosen.id
    return (await client.create_dm(discord.Object(guild.owner_id))).id if guild.owner_id else None


def _subject(app: App, report: Report, channel_id: int) -> Subject:
    """The moderators' card of a report and all that are alike."""

    async def find() -> Place | None:
        current = await app.reports.get(report.id)
        if current is None or current.channel_id is None or current.message_id is None:
            return None
        return Place(current.channel_id, current.message_id)

    async def keep(place: Place) -> bool:
        return await app.reports.set_message(report.id, *place)

    return Subject(f"report:{report.id}", channel_id, report.guild_id, find, keep)


async def _card(
    client: LikenessBot,
    locale: str,
    alike: Sequence[Report],
    pictures: Sequence[Picture],
    files: Sequence[discord.File],
) -> ui.LayoutView:
    report = alike[0]
    job = await client.app.jobs.get(report.job_id)
    gallery = ui.MediaGallery[Any]()
    for picture, file in zip(pictures, files, strict=False):
        alt = t(locale, "complaint.alt", prompt=picture.prompt)[:ALT_LIMIT]
        gallery.add_item(media=file, description=alt, spoiler=True)
    reasons = [f"- <@{one.reporter_id}>: {quoted(one.reason, 300)}" for one in alike[:8]]
    if len(alike) > 8:
        reasons.append(f"- {t(locale, 'complaint.more', n=len(alike) - 8)}")
    about = t(
        locale,
        "complaint.about",
        user=f"<@{job.user_id}>" if job else "?",
        prompt=quoted(pictures[0].prompt, 400),
        job=report.job_id,
    )
    lines = [about]
    if job is not None and job.message_id is not None and not is_private(job):
        link = f"https://discord.com/channels/{job.guild_id}/{job.channel_id}/{job.message_id}"
        lines.append(f"[{t(locale, 'complaint.link')}]({link})")
    remove = CardButton(
        "takedown", report.id, label=t(locale, "button.takedown"), style=discord.ButtonStyle.danger
    )
    leave = CardButton("dismiss", report.id, label=t(locale, "button.dismiss"))
    return card(
        Accent.failed,
        f"## 🚩 {t(locale, 'complaint.card', n=len(alike))}\n" + "\n".join(lines),
        gallery,
        "\n".join(reasons),
        ui.ActionRow[Any](remove, leave),
    )


async def setup(bot: LikenessBot) -> None:
    """Nothing to add: the buttons are registered when this module is imported."""
