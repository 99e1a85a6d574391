"""The form and the cards of `/endpoint`."""

from __future__ import annotations

from typing import Any

import discord
from discord import ui
from yarl import URL

from bot.locales import has, t
from bot.services.endpoint_accounts import Status
from bot.services.endpoint_deploys import Offer
from bot.services.endpoint_hub import SLEEP_MINUTES
from bot.ui.buttons import CardButton
from bot.ui.forms import Form
from bot.ui.look import Accent, card, duration, quoted
from bot.ui.replies import explain
from data.endpoints import Endpoint
from data.secrets import Scope

_HOUR = 3600.0


class ConnectForm(Form):
    """Asks for the token and the endpoint. Discord has no field that hides what is typed: it is said.

    Its id says how many pictures a day the endpoint draws, and how many minutes are waited for it; 0 where
    nothing was said.
    """

    def __init__(self, locale: str, scope: Scope, daily_pictures: int, wait_minutes: int) -> None:
        name = "connect" if scope == "user" else "connectserver"
        super().__init__(name, daily_pictures, wait_minutes, title=t(locale, "form.endpoint_title"))
        token = ui.TextInput[Any](custom_id="token", min_length=8, max_length=300)
        where = ui.TextInput[Any](
            custom_id="where", max_length=300, placeholder=t(locale, "form.endpoint_where_placeholder")
        )
        trigger = ui.TextInput[Any](custom_id="trigger", max_length=60, required=False)
        self.add_item(ui.TextDisplay[Any](t(locale, "endpoint.visible")))
        for field, name, hint in (
            (token, "form.endpoint_token", "form.endpoint_token_help"),
            (where, "form.endpoint_where", "form.endpoint_where_help"),
            (trigger, "form.endpoint_trigger", "form.endpoint_trigger_help"),
        ):
            self.add_item(ui.Label(text=t(locale, name), description=t(locale, hint), component=field))


def title_of(endpoint: Endpoint) -> str:
    """What a person knows an endpoint as: its model, else its host."""
    return quoted(endpoint.repository or URL(endpoint.url).host or "", 100)


def connected_text(locale: str, endpoint: Endpoint, awake: bool) -> str:
    said = t(locale, "endpoint.connected", title=title_of(endpoint), account=quoted(endpoint.account, 60))
    return said + "\n" + t(locale, "endpoint.awake" if awake else "endpoint.asleep")


def status_card(locale: str, status: Status) -> ui.LayoutView:
    """All that is known of an endpoint."""
    endpoint = status.endpoint
    lines = [
        t(locale, "endpoint.account", account=quoted(endpoint.account, 60)),
        _state(locale, status.state),
        t(locale, "endpoint.waits", time=duration(locale, endpoint.wait_seconds)),
    ]
    if endpoint.trigger:
        lines.append(t(locale, "endpoint.trigger", trigger=quoted(endpoint.trigger, 60)))
    if status.usual_seconds is not None:
        lines.append(t(locale, "endpoint.usual", time=duration(locale, status.usual_seconds)))
    limit = "∞" if endpoint.daily_pictures is None else endpoint.daily_pictures
    lines.append(t(locale, "endpoint.today", n=status.drawn_today, limit=limit))
    if endpoint.price_per_hour is not None:
        lines.append(cost_text(locale, endpoint, status.seconds_run))
    return card(Accent.working, f"### {title_of(endpoint)}", "\n".join(lines))


def cost_text(locale: str, endpoint: Endpoint, seconds: float) -> str:
    """What a deployed endpoint has cost at most, by our clock."""
    price = endpoint.price_per_hour or 0.0
    return t(
        locale,
        "endpoint.cost",
        price=f"{price:.2f}",
        time=duration(locale, seconds),
        total=f"{price * seconds / _HOUR:.2f}",
    )


def offer_card(locale: str, number: int, offer: Offer) -> ui.LayoutView:
    """What would be deployed, what it costs, and the button that says yes."""
    on = offer.hardware
    said = t(
        locale,
        "endpoint.offer",
        repository=quoted(offer.repository, 100),
        type=quoted(f"{on.instance_type} {on.instance_size}", 60),
        region=quoted(f"{on.vendor} {on.region}", 60),
        price=f"{on.price_per_hour:.2f}",
        account=quoted(offer.account, 60),
        minutes=SLEEP_MINUTES,
    )
    yes = CardButton(
        "deploy", number, label=t(locale, "button.deploy_yes"), style=discord.ButtonStyle.success
    )
    return card(Accent.waiting, said, ui.ActionRow[Any](yes))


def test_card(locale: str, file: discord.File, seconds: float) -> ui.LayoutView:
    """The picture that a test drew."""
    gallery = ui.MediaGallery[Any]().add_item(media=file, description=t(locale, "endpoint.alt"))
    return card(Accent.done, t(locale, "endpoint.tested", time=duration(locale, seconds)), gallery)


def _state(locale: str, state: str) -> str:
    if state.startswith(("endpoint_", "no_")):
        return explain(locale, state, {})
    key = f"endpoint_state.{state.lower()}"
    return t(locale, key) if has(key) else t(locale, "endpoint_state.other", state=quoted(state, 40))
