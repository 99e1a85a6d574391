"""The admins' panel: one card, whose menu at the top switches between its sections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import discord
from discord import ui

from bot.locales import LANGUAGES, t
from bot.ui.buttons import CardButton
from bot.ui.look import Accent, card, quoted, rule
from bot.ui.selects import CardChannelSelect, CardRoleSelect, CardSelect
from bot.ui.settings_forms import FORMS
from data.settings import GuildSettings, RoleQuota
from inference.bases import BASES

SECTIONS = ("channels", "people", "quotas", "training", "drawing", "safety", "general")

SWITCHES = ("train_enabled", "digest")
"""Settings that are on or off, by the index that a button's id says."""

CHANNELS = ("samples", "gallery", "modlog")
ROLES = ("train", "imagine", "share")

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "language": ("auto", *LANGUAGES),
    "default_size": ("square", "portrait", "landscape"),
    "safety": ("strict", "standard", "off"),
    "bases": tuple(BASES),
    "backends": ("auto", "local", "endpoint"),
}
"""Settings that are chosen from a menu; of `bases` and `backends`, several."""

SECTION_OF = {
    **dict.fromkeys(("default_size", "backends"), "drawing"),
    "bases": "training",
    "safety": "safety",
    "language": "general",
    "train_enabled": "people",
    "digest": "general",
}

Items = list[ui.Item[Any] | str]


def settings_panel(
    locale: str, settings: GuildSettings, section: str, guild: discord.Guild | None = None
) -> ui.LayoutView:
    """One section of a guild's settings, as they are now."""
    options = [
        discord.SelectOption(label=t(locale, f"panel.{name}"), value=name, default=name == section)
        for name in SECTIONS
    ]
    head: Items = [
        f"## {t(locale, 'settings.title')}",
        ui.ActionRow[Any](CardSelect("section", options)),
        rule(),
    ]
    build = {
        "channels": _channels,
        "people": _people,
        "quotas": _quotas,
        "training": _training,
        "drawing": _drawing,
        "safety": _safety,
        "general": _general,
    }[section]
    return card(Accent.working, *head, *build(locale, settings, guild))


def _channels(locale: str, settings: GuildSettings, guild: discord.Guild | None) -> Items:
    items: Items = []
    for name in CHANNELS:
        current: int | None = getattr(settings, f"{name}_channel_id")
        if guild is not None and current is not None and guild.get_channel(current) is None:
            current = None  # deleted since; Discord would refuse the whole card
        items.append(_headed(locale, name))
        items.append(ui.ActionRow[Any](CardChannelSelect(name, current, t(locale, f"setting.{name}_none"))))
    return items


def _people(locale: str, settings: GuildSettings, guild: discord.Guild | None) -> Items:
    items: Items = [_switch(locale, settings, "train_enabled")]
    for name in ROLES:
        current = _living(getattr(settings, f"{name}_roles"), guild)
        items.append(_headed(locale, f"{name}_roles"))
        items.append(
            ui.ActionRow[Any](CardRoleSelect(f"{name}_roles", current, t(locale, "setting.everybody")))
        )
    return items


def _quotas(locale: str, settings: GuildSettings, guild: discord.Guild | None) -> Items:
    everybody = RoleQuota(settings.daily_trainings, settings.daily_pictures)
    lines = [f"<@&{role}> · {_quota(locale, quota)}" for role, quota in settings.role_quotas.items()]
    said = "\n".join(lines[:20]) or t(locale, "setting.no_role_quotas")
    return [
        _form(locale, "quotas", _quota(locale, everybody)),
        f"**{t(locale, 'setting.role_quotas')}**\n-# {t(locale, 'setting.role_quotas_help')}\n{said}",
        ui.ActionRow[Any](CardRoleSelect("quota", (), t(locale, "setting.choose_role"), most=1)),
    ]


def _training(locale: str, settings: GuildSettings, guild: discord.Guild | None) -> Items:
    steps = t(
        locale,
        "setting.training_now",
        most=settings.max_steps,
        default=settings.default_steps or t(locale, "setting.by_photos"),
    )
    titles = {alias: base.title for alias, base in BASES.items()}
    return [
        _form(locale, "training", steps),
        *_menu(locale, "bases", titles, settings.bases, least=0, most=len(BASES)),
    ]


def _drawing(locale: str, settings: GuildSettings, guild: discord.Guild | None) -> Items:
    now = t(
        locale,
        "setting.drawing_now",
        steps=settings.default_draw_steps,
        most=settings.max_draw_steps,
        guidance=f"{settings.usual_guidance:g}",
        most_guidance=f"{settings.max_guidance:g}",
    )
    counts = t(locale, "setting.pictures_now", n=settings.usual_count, most=settings.max_count)
    sizes = {size: t(locale, f"shape.{size}") for size in OPTIONS["default_size"]}
    backends = {backend: t(locale, f"backend.{backend}") for backend in OPTIONS["backends"]}
    return [
        _form(locale, "drawing", now),
        _form(locale, "pictures", counts),
        *_menu(locale, "default_size", sizes, (settings.default_size,)),
        *_menu(locale, "backends", backends, settings.backends, most=len(backends)),
    ]


def _safety(locale: str, settings: GuildSettings, guild: discord.Guild | None) -> Items:
    levels = {level: t(locale, f"safety.{level}") for level in OPTIONS["safety"]}
    words = quoted(", ".join(settings.words), 300) or t(locale, "setting.no_words")
    days = t(locale, "setting.photo_days_now", n=settings.photo_days)
    return [
        *_menu(locale, "safety", levels, (settings.safety,)),
        _form(locale, "words", words),
        _form(locale, "photos", days),
        _form(locale, "kept", kept_pictures(locale, settings) or t(locale, "setting.kept_for_ever")),
    ]


def kept_pictures(locale: str, settings: GuildSettings) -> str:
    """How long and how many drawn pictures stay, a line each; empty where they all stay for ever."""
    said = []
    if settings.picture_days is not None:
        said.append(t(locale, "setting.picture_days_now", n=settings.picture_days))
    if settings.most_pictures is not None:
        said.append(t(locale, "setting.most_pictures_now", n=settings.most_pictures))
    return "\n".join(said)


def _general(locale: str, settings: GuildSettings, guild: discord.Guild | None) -> Items:
    languages = {"auto": t(locale, "settings.language_auto"), **LANGUAGES}
    return [
        *_menu(locale, "language", languages, (settings.language,)),
        _switch(locale, settings, "digest"),
    ]


def _headed(locale: str, name: str) -> str:
    return f"**{t(locale, f'setting.{name}')}**\n-# {t(locale, f'setting.{name}_help')}"


def _menu(
    locale: str, name: str, labels: Mapping[str, str], chosen: Iterable[str], *, least: int = 1, most: int = 1
) -> Items:
    chosen = tuple(chosen)
    options = [
        discord.SelectOption(label=label, value=value, default=value in chosen)
        for value, label in labels.items()
    ]
    return [_headed(locale, name), ui.ActionRow[Any](CardSelect(name, options, least=least, most=most))]


def _form(locale: str, name: str, now: str) -> ui.Item[Any]:
    button = CardButton("setting", FORMS.index(name), label=t(locale, "button.change"))
    return ui.Section(ui.TextDisplay[Any](f"**{t(locale, f'setting.{name}')}**\n{now}"), accessory=button)


def _switch(locale: str, settings: GuildSettings, name: str) -> ui.Item[Any]:
    on: bool = getattr(settings, name)
    state = t(locale, f"setting.{name}_on" if on else f"setting.{name}_off")
    button = CardButton(
        "switch",
        SWITCHES.index(name),
        int(not on),
        label=t(locale, "button.switch_off" if on else "button.switch_on"),
        style=discord.ButtonStyle.secondary if on else discord.ButtonStyle.success,
    )
    return ui.Section(ui.TextDisplay[Any](f"**{t(locale, f'setting.{name}')}**\n{state}"), accessory=button)


def _quota(locale: str, quota: RoleQuota) -> str:
    unlimited = t(locale, "setting.unlimited")
    trainings, pictures, concurrent = (unlimited if value is None else value for value in quota)
    said = t(locale, "setting.quota_now", trainings=trainings, pictures=pictures)
    if quota.concurrent is None:
        return said
    return said + " · " + t(locale, "setting.concurrent_now", n=concurrent)


def _living(roles: Iterable[int], guild: discord.Guild | None) -> list[int]:
    """Those roles that still exist; Discord would refuse a card that names another."""
    return [role for role in roles if guild is None or guild.get_role(role) is not None][:25]
