"""The forms and cards of `/publish`, and of exporting a model."""

from __future__ import annotations

from typing import Any

import discord
from discord import ui

from bot.locales import t
from bot.services.handover_runner import KEEP_DAYS
from bot.ui.buttons import CardButton
from bot.ui.forms import Form
from bot.ui.look import Accent, bar, bytes_of, card, note, quoted
from bot.ui.replies import explain
from data.handovers import Format, Handover
from data.models import Model
from data.publications import Publication
from trainer.handover import Moved
from trainer.publish_files import HANDLER

CHOICES: tuple[tuple[Format, bool], ...] = (
    ("safetensors", True),
    ("safetensors", False),
    ("ckpt", True),
    ("ckpt", False),
    ("lora", True),
    ("lora", False),
)
"""Format and half precision; a button's index is a place here, counted from 1. 0 opens the choice."""

_NAMED = 5
"""How many of other people's files a card names."""
_DAY = 24 * 3600


class PublishForm(Form):
    """Asks where to and with which token. Discord has no field that hides what is typed: it is said."""

    def __init__(self, locale: str, model: Model, repository: str, keeps_token: bool) -> None:
        super().__init__("publish", model.id, title=t(locale, "form.publish_title"))
        where = ui.TextInput[Any](
            custom_id="repository", default=repository[:139], min_length=1, max_length=139
        )
        token = ui.TextInput[Any](custom_id="token", min_length=8, max_length=300, required=not keeps_token)
        token_help = "form.publish_token_kept_help" if keeps_token else "form.publish_token_help"
        self.add_item(ui.TextDisplay[Any](t(locale, "publish.visible", title=quoted(model.title, 60))))
        for field, name, hint in (
            (where, "form.publish_repository", "form.publish_repository_help"),
            (token, "form.publish_token", token_help),
            (ui.Checkbox[Any](custom_id="public"), "form.publish_public", "form.publish_public_help"),
            (ui.Checkbox[Any](custom_id="keep"), "form.publish_keep", "form.publish_keep_help"),
        ):
            self.add_item(ui.Label(text=t(locale, name), description=t(locale, hint), component=field))


def export_card(locale: str, model: Model) -> ui.LayoutView:
    """Asks which file it shall be."""

    def button(place: int) -> CardButton:
        format, half = CHOICES[place - 1]
        return CardButton(
            "export", model.id, place, label=f"{t(locale, f'export.{format}')} · {_precision(locale, half)}"
        )

    rows = [ui.ActionRow[Any](button(1), button(2)), ui.ActionRow[Any](button(3), button(4))]
    said = t(locale, "export.choose", title=quoted(model.title))
    if model.method == "lora":
        rows.append(ui.ActionRow[Any](button(5), button(6)))
        said += "\n" + t(locale, "export.choose_lora")
    return card(Accent.waiting, said, *rows)


def public_card(handover: Handover, model: Model) -> ui.LayoutView:
    """Asks a second time before anything is for everybody to see."""
    locale = handover.locale
    yes = CardButton(
        "public", handover.id, 1, label=t(locale, "button.public_yes"), style=discord.ButtonStyle.danger
    )
    no = CardButton("public", handover.id, 0, label=t(locale, "button.public_no"))
    said = t(
        locale,
        "publish.ask_public",
        title=quoted(model.title),
        repository=quoted(handover.repository or "", 140),
        trigger=quoted(model.trigger),
    )
    return card(Accent.failed, said, ui.ActionRow[Any](yes, no))


def running_card(handover: Handover, model: Model, moved: Moved | None) -> ui.LayoutView:
    """How far it has come, and the way to stop it."""
    locale = handover.locale
    line = t(locale, f"handover_stage.{moved.stage}" if moved else "publish.starting")
    if moved is not None and moved.stage in ("write", "upload"):
        line += f"\n{bar(moved.done, moved.total)} · {bytes_of(moved.done)} / {bytes_of(moved.total)}"
    stop = CardButton("stophandover", handover.id, label=t(locale, "button.cancel"))
    return card(Accent.working, _title(handover, model), line, ui.ActionRow[Any](stop))


def ended_card(handover: Handover, model: Model, file: discord.File | None, limit: int) -> ui.LayoutView:
    """How it ended; `file` is attached where it fits under `limit` bytes."""
    locale = handover.locale
    hidden = f"\n{t(locale, 'publish.was_public')}" if handover.made_private else ""
    if handover.state == "cancelled":
        said = t(locale, "publish.cancelled" if handover.kind == "publish" else "export.cancelled")
        return card(Accent.waiting, _title(handover, model), said + hidden)
    if handover.state == "failed":
        said = explain(locale, handover.error_code or "", {}, handover.error) + hidden
        return card(
            Accent.failed, _title(handover, model), said, ui.ActionRow[Any](_once_more(handover, locale))
        )
    if handover.kind == "publish":
        return _published_card(handover, model)
    return _exported_card(handover, model, file, limit)


def published_line(locale: str, publication: Publication) -> str:
    """Where a model lies, on the card of `/models`."""
    seen = t(locale, f"visibility.{publication.visibility}")
    when = f"<t:{int(publication.published_at)}:R>"
    return "🤗 " + t(locale, "publish.lies", url=publication.url, visibility=seen, when=when)


def moved_on(locale: str) -> ui.LayoutView:
    """In the place of a card that can't be edited for longer."""
    return note(t(locale, "publish.moved"), Accent.waiting)


def _published_card(handover: Handover, model: Model) -> ui.LayoutView:
    locale = handover.locale
    lines = [
        t(locale, "publish.done", title=quoted(model.title), url=handover.url or ""),
        t(locale, "publish.done_public" if handover.public else "publish.done_private"),
        *_found(handover),
        t(locale, "publish.deploy", repository=quoted(handover.repository or "", 140)),
    ]
    if handover.keep_token:
        lines.append(t(locale, "publish.token_kept"))
    return card(Accent.done, "\n".join(lines))


def _found(handover: Handover) -> list[str]:
    """What its owner should know of the repository as it was found."""
    lines = [t(handover.locale, "publish.was_public")] if handover.made_private else []
    others = [name for name in handover.others if name != HANDLER]
    if others:
        names = ", ".join(f"**{quoted(name, 60)}**" for name in others[:_NAMED])
        more = "…" if len(others) > _NAMED else ""
        lines.append(t(handover.locale, "publish.others", names=names + more))
    if HANDLER in handover.others:
        lines.append(t(handover.locale, "publish.handler"))
    return lines


def _exported_card(handover: Handover, model: Model, file: discord.File | None, limit: int) -> ui.LayoutView:
    locale, path = handover.locale, handover.path
    name = quoted(path.name if path else "", 100)
    until = f"<t:{int((handover.finished_at or 0) + KEEP_DAYS * _DAY)}:f>"
    if file is not None:
        said = t(locale, "export.done", name=name, size=bytes_of(handover.size_bytes or 0))
        return card(Accent.done, _title(handover, model), said, ui.File[Any](file))
    if path is None or not path.is_file():
        return card(
            Accent.waiting,
            _title(handover, model),
            t(locale, "export.gone"),
            ui.ActionRow[Any](_once_more(handover, locale)),
        )
    said = t(
        locale,
        "export.too_big",
        name=name,
        size=bytes_of(handover.size_bytes or 0),
        limit=bytes_of(limit),
        until=until,
        place="/".join(path.parts[-4:]),
    )
    publish = CardButton("publish", model.id, label=t(locale, "button.publish_model"), emoji="🤗")
    return card(Accent.waiting, _title(handover, model), said, ui.ActionRow[Any](publish))


def _once_more(handover: Handover, locale: str) -> CardButton:
    label = t(locale, "button.try_again")
    if handover.kind == "publish":
        return CardButton("publish", handover.model_id, label=label)
    place = CHOICES.index((handover.format or "safetensors", handover.half)) + 1
    return CardButton("export", handover.model_id, place, label=label)


def _title(handover: Handover, model: Model) -> str:
    locale, title = handover.locale, quoted(model.title)
    if handover.kind == "publish":
        repository = quoted(handover.repository or "", 140)
        return "### " + t(locale, "publish.title", title=title, repository=repository)
    kind = t(locale, f"export.{handover.format}")
    return "### " + t(
        locale, "export.title", title=title, kind=f"{kind} · {_precision(locale, handover.half)}"
    )


def _precision(locale: str, half: bool) -> str:
    return t(locale, "export.half" if half else "export.full")
