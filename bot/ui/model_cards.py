"""The cards of `/models`: the list, and everything about one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import discord
from discord import ui

from bot.locales import t
from bot.services.owned import MAX_TITLE
from bot.ui.buttons import CardButton
from bot.ui.forms import Form
from bot.ui.handover_cards import published_line
from bot.ui.look import Accent, bytes_of, card, note, quoted, rule
from bot.ui.train_form import class_label
from data.models import Model
from data.publications import Publication

PAGE = 4
"""Models on a page: each takes up to six of the 40 components of a message."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A model with the picture that stands for it."""

    model: Model
    picture: discord.File | None


def pager(verb: str, page: int, pages: int) -> list[ui.Item[Any]]:
    """Buttons to the pages before and after; none where there is only one."""
    if pages < 2:
        return []
    back = CardButton(verb, (page - 1) % pages, label=f"◀ {(page - 1) % pages + 1}/{pages}")
    on = CardButton(verb, (page + 1) % pages, label=f"{(page + 1) % pages + 1}/{pages} ▶")
    # With two pages both lead to the same one, and an id may stand on a card only once.
    return [ui.ActionRow[Any](on) if pages == 2 else ui.ActionRow[Any](back, on)]


def models_card(locale: str, shown: Sequence[Shown], user_id: int, page: int, pages: int) -> ui.LayoutView:
    """One page of what a person may draw with: their own models, then shared ones."""
    if not shown:
        return note(f"## {t(locale, 'models.title')}\n{t(locale, 'models.none')}", Accent.waiting)
    items: list[ui.Item[Any] | str] = [f"## {t(locale, 'models.title')}"]
    for one in shown:
        items += [rule(), _about(locale, one, user_id)]
        label = t(locale, "button.open_model" if one.model.owner_id == user_id else "button.look")
        items.append(ui.ActionRow[Any](CardButton("model", one.model.id, label=label)))
    return card(Accent.working, *items, *pager("models", page, pages))


def model_card(
    locale: str,
    model: Model,
    pictures: Sequence[discord.File],
    user_id: int,
    publication: Publication | None = None,
) -> ui.LayoutView:
    """Everything about one model, and to its owner everything that can be done with it."""
    items: list[ui.Item[Any] | str] = [_text(locale, model, user_id)]
    if pictures:
        gallery = ui.MediaGallery[Any]()
        for number, file in enumerate(pictures, 1):
            gallery.add_item(media=file, description=_alt(locale, model, number))
        items.append(gallery)
    if model.owner_id == user_id:
        items.append(f"-# {t(locale, 'models.shared_help' if model.shared else 'models.private_help')}")
        if publication is not None:
            items.append(published_line(locale, publication))
        items += [rule(), *_controls(locale, model)]
    back = CardButton("models", 0, label=t(locale, "button.all_models"))
    return card(Accent.working, *items, ui.ActionRow[Any](back))


def forget_card(locale: str, model: Model, drawings: int) -> ui.LayoutView:
    """Asks before a model is removed for good."""
    label = t(locale, "button.delete_forever")
    button = CardButton("forget", model.id, 1, label=label, style=discord.ButtonStyle.danger)
    said = t(locale, "models.forget", name=quoted(model.title))
    if drawings:
        said += "\n" + t(locale, "models.forget_drawings", n=drawings)
    return card(Accent.failed, said, ui.ActionRow[Any](button))


def rename_form(locale: str, model: Model) -> Form:
    """Asks for another title."""
    form = Form("rename", model.id, title=t(locale, "models.rename"))
    field = ui.TextInput[Any](custom_id="title", default=model.title, min_length=1, max_length=MAX_TITLE)
    form.add_item(
        ui.Label(
            text=t(locale, "models.rename_label"),
            description=t(locale, "models.rename_help", name=model.name),
            component=field,
        )
    )
    return form


def _about(locale: str, shown: Shown, user_id: int) -> ui.Item[Any]:
    text = ui.TextDisplay[Any](_text(locale, shown.model, user_id))
    if shown.picture is None:
        return text
    picture = ui.Thumbnail[Any](shown.picture, description=_alt(locale, shown.model, 1))
    return ui.Section(text, accessory=picture)


def _alt(locale: str, model: Model, number: int) -> str:
    return t(locale, "models.alt", n=number, name=model.title, class_name=model.class_name)


def _text(locale: str, model: Model, user_id: int) -> str:
    mine = model.owner_id == user_id
    whose = "models.shared_by"
    if mine:
        whose = "models.shared" if model.shared else "models.private"
    marks = [t(locale, whose, user=f"<@{model.owner_id}>")]
    if mine and model.is_default:
        marks.insert(0, f"⭐ {t(locale, 'models.default')}")
    facts = t(
        locale,
        "models.facts",
        photos=model.photos,
        steps=model.steps,
        base=quoted(model.base, 60),
        method=t(locale, f"method.{model.method}"),
        when=f"<t:{int(model.created_at)}:R>",
    )
    kept = t(locale, "models.kept", size=bytes_of(model.size_bytes), n=model.uses)
    use = t(locale, "models.use" if mine else "models.use_shared", trigger=model.trigger, id=model.id)
    return (
        f"**{quoted(model.title)}** · {class_label(locale, model.class_name)} · {' · '.join(marks)}\n"
        f"-# {facts}\n-# {kept}\n{use}"
    )


def _controls(locale: str, model: Model) -> list[ui.Item[Any]]:
    def button(verb: str, index: int = 0, **look: Any) -> CardButton:
        key = look.pop("key", verb)
        return CardButton(verb, model.id, index, label=t(locale, f"button.{key}"), **look)

    share = button("sharemodel", 0, key="keepmodel") if model.shared else button("sharemodel", 1)
    first: list[ui.Item[Any]] = [button("renamemodel"), share]
    if not model.is_default:
        first.insert(1, button("prefer", emoji="⭐"))
    second = [
        button("export", key="export_model", emoji="📦"),
        button("publish", key="publish_model", emoji="🤗"),
        button("forget", key="delete", style=discord.ButtonStyle.danger),
    ]
    return [ui.ActionRow[Any](*first), ui.ActionRow[Any](*second)]
