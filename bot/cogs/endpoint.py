"""`/endpoint`: pictures drawn by one's own Hugging Face endpoint, or by the server's."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands
from pydantic import SecretStr

from bot.locales import t
from bot.rules import admin, admins_guild, member, offered_deployment, payers
from bot.services.refusal import Refusal
from bot.translator import options, text
from bot.ui.buttons import on_press
from bot.ui.endpoint_cards import (
    ConnectForm,
    connected_text,
    cost_text,
    offer_card,
    status_card,
    test_card,
    title_of,
)
from bot.ui.forms import Answers, on_form
from bot.ui.look import Accent
from bot.ui.replies import answer, language_of, show
from data.secrets import Scope

if TYPE_CHECKING:
    from bot.client import LikenessBot

MAX_WAIT_MINUTES = 120
MAX_DAILY = 100_000


class Endpoint(commands.Cog):
    """The commands; `server` means the one that everybody here may use, for its admins to set."""

    endpoint = app_commands.Group(
        name=text("command.endpoint.name"), description=text("command.endpoint.description"), guild_only=True
    )

    @endpoint.command(
        name=text("command.endpoint_connect.name"), description=text("command.endpoint_connect.description")
    )
    @options(
        server="option.server",
        daily_pictures="option.daily_pictures",
        wait_minutes="option.wait_minutes",
    )
    async def connect(
        self,
        interaction: discord.Interaction[LikenessBot],
        server: bool = False,
        daily_pictures: app_commands.Range[int, 1, MAX_DAILY] | None = None,
        wait_minutes: app_commands.Range[int, 1, MAX_WAIT_MINUTES] | None = None,
    ) -> None:
        scope, _ = _scope(interaction, server)
        locale = await language_of(interaction)
        form = ConnectForm(locale, scope, daily_pictures or 0, wait_minutes or 0)
        await interaction.response.send_modal(form)

    @endpoint.command(
        name=text("command.endpoint_status.name"), description=text("command.endpoint_status.description")
    )
    @options(server="option.server")
    async def status(self, interaction: discord.Interaction[LikenessBot], server: bool = False) -> None:
        scope, scope_id = _scope(interaction, server)
        await interaction.response.defer(ephemeral=True, thinking=True)
        status = await interaction.client.app.endpoint_accounts.status(scope, scope_id)
        await show(interaction, status_card(await language_of(interaction), status))

    @endpoint.command(
        name=text("command.endpoint_test.name"), description=text("command.endpoint_test.description")
    )
    @options(server="option.server")
    async def test(self, interaction: discord.Interaction[LikenessBot], server: bool = False) -> None:
        scope, scope_id = _scope(interaction, server)
        await interaction.response.defer(ephemeral=True, thinking=True)
        content, seconds = await interaction.client.app.endpoint_accounts.test(scope, scope_id)
        file = discord.File(io.BytesIO(content), "test.png")
        await show(interaction, test_card(await language_of(interaction), file, seconds), [file])

    @endpoint.command(
        name=text("command.endpoint_disconnect.name"),
        description=text("command.endpoint_disconnect.description"),
    )
    @options(server="option.server")
    async def disconnect(self, interaction: discord.Interaction[LikenessBot], server: bool = False) -> None:
        scope, scope_id = _scope(interaction, server)
        await interaction.response.defer(ephemeral=True, thinking=True)
        endpoint = await interaction.client.app.endpoint_accounts.disconnect(scope, scope_id)
        locale = await language_of(interaction)
        said = t(locale, "endpoint.disconnected", title=title_of(endpoint))
        if endpoint.name is not None:
            said += "\n" + t(locale, "endpoint.still_there")
        await answer(interaction, said, Accent.done)

    @endpoint.command(
        name=text("command.endpoint_deploy.name"), description=text("command.endpoint_deploy.description")
    )
    @options(
        repository="option.repository",
        hardware="option.hardware",
        trigger="option.trigger",
        server="option.server",
    )
    async def deploy(
        self,
        interaction: discord.Interaction[LikenessBot],
        hardware: str,
        repository: str = "",
        trigger: app_commands.Range[str, 0, 60] = "",
        server: bool = False,
    ) -> None:
        """Show what a deployment costs. Nothing is deployed before the button says yes."""
        scope, scope_id = _scope(interaction, server)
        await interaction.response.defer(ephemeral=True, thinking=True)
        app, repository = interaction.client.app, repository.strip()
        published = await app.publications.of_user(interaction.user.id)
        chosen = next((one for one in published if repository in ("", one.repository)), None)
        if not repository and chosen is None:
            raise Refusal("nothing_published")
        model = await app.models.get(chosen.model_id) if chosen and chosen.model_id else None
        number, offer = await app.endpoint_deploys.offer(
            scope, scope_id, chosen.repository if chosen else repository, hardware, model, trigger
        )
        await show(interaction, offer_card(await language_of(interaction), number, offer))

    @deploy.autocomplete("repository")
    async def offer_repositories(
        self, interaction: discord.Interaction[LikenessBot], current: str
    ) -> list[app_commands.Choice[str]]:
        published = await interaction.client.app.publications.of_user(interaction.user.id)
        return [
            app_commands.Choice(name=one.repository, value=one.repository)
            for one in published
            if current.casefold() in one.repository.casefold() and len(one.repository) <= 100
        ][:25]

    @deploy.autocomplete("hardware")
    async def offer_hardware(
        self, interaction: discord.Interaction[LikenessBot], current: str
    ) -> list[app_commands.Choice[str]]:
        try:
            scope, scope_id = _scope(interaction, bool(getattr(interaction.namespace, "server", False)))
            async with asyncio.timeout(2):  # Discord waits 3 s; the next key finds what was fetched
                found = await interaction.client.app.endpoint_deploys.hardware(scope, scope_id)
        except (Refusal, TimeoutError):
            return []
        labels = {
            one.id: f"{one.instance_type} {one.instance_size} · {one.vendor} {one.region}"
            f" · ${one.price_per_hour:.2f}/h"
            for one in found
        }
        return [
            app_commands.Choice(name=label[:100], value=value)
            for value, label in labels.items()
            if current.casefold() in label.casefold() and len(value) <= 100
        ][:25]

    @endpoint.command(
        name=text("command.endpoint_pause.name"), description=text("command.endpoint_pause.description")
    )
    @options(server="option.server")
    async def pause(self, interaction: discord.Interaction[LikenessBot], server: bool = False) -> None:
        scope, scope_id = _scope(interaction, server)
        await interaction.response.defer(ephemeral=True, thinking=True)
        endpoint = await interaction.client.app.endpoint_deploys.pause(scope, scope_id)
        said = t(await language_of(interaction), "endpoint.paused", title=title_of(endpoint))
        await answer(interaction, said, Accent.done)

    @endpoint.command(
        name=text("command.endpoint_resume.name"), description=text("command.endpoint_resume.description")
    )
    @options(server="option.server")
    async def resume(self, interaction: discord.Interaction[LikenessBot], server: bool = False) -> None:
        scope, scope_id = _scope(interaction, server)
        await interaction.response.defer(ephemeral=True, thinking=True)
        endpoint = await interaction.client.app.endpoint_deploys.resume(scope, scope_id)
        said = t(await language_of(interaction), "endpoint.resumed", title=title_of(endpoint))
        await answer(interaction, said, Accent.done)

    @endpoint.command(
        name=text("command.endpoint_delete.name"), description=text("command.endpoint_delete.description")
    )
    @options(server="option.server")
    async def delete(self, interaction: discord.Interaction[LikenessBot], server: bool = False) -> None:
        scope, scope_id = _scope(interaction, server)
        await interaction.response.defer(ephemeral=True, thinking=True)
        endpoint, seconds = await interaction.client.app.endpoint_deploys.delete(scope, scope_id)
        locale = await language_of(interaction)
        said = t(locale, "endpoint.deleted", title=title_of(endpoint))
        await answer(interaction, f"{said}\n{cost_text(locale, endpoint, seconds)}", Accent.done)


@on_form("connect", member)
async def connect(
    interaction: discord.Interaction[LikenessBot], daily_pictures: int, wait_minutes: int, answers: Answers
) -> None:
    """Connect a person's own endpoint."""
    await _connect(interaction, False, daily_pictures, wait_minutes, answers)


@on_form("connectserver", admin)
async def connect_server(
    interaction: discord.Interaction[LikenessBot], daily_pictures: int, wait_minutes: int, answers: Answers
) -> None:
    """Connect the endpoint that everybody in a server may use."""
    await _connect(interaction, True, daily_pictures, wait_minutes, answers)


@on_press("deploy", offered_deployment)
async def deploy(interaction: discord.Interaction[LikenessBot], number: int, _index: int) -> None:
    """The explicit yes: only whom the offer was made to, and for a server only who manages it, may say it."""
    await interaction.response.defer(ephemeral=True, thinking=True)
    endpoint = await interaction.client.app.endpoint_deploys.accept(number, payers(interaction))
    said = t(await language_of(interaction), "endpoint.deployed", title=title_of(endpoint))
    await answer(interaction, said, Accent.done)


async def _connect(
    interaction: discord.Interaction[LikenessBot],
    server: bool,
    daily_pictures: int,
    wait_minutes: int,
    answers: Answers,
) -> None:
    scope, scope_id = _scope(interaction, server)
    await interaction.response.defer(ephemeral=True, thinking=True)
    endpoint, awake = await interaction.client.app.endpoint_accounts.connect(
        scope,
        scope_id,
        SecretStr(answers.text("token").strip()),
        answers.text("where"),
        trigger=answers.text("trigger"),
        daily_pictures=daily_pictures or None,
        wait_seconds=wait_minutes * 60 or None,
    )
    said = connected_text(await language_of(interaction), endpoint, awake)
    await answer(interaction, said, Accent.done)


def _scope(interaction: discord.Interaction[LikenessBot], server: bool) -> tuple[Scope, int]:
    """Whose endpoint is meant. Raises Refusal: not_admin."""
    if not server or interaction.guild_id is None:
        return "user", interaction.user.id
    return "guild", admins_guild(interaction)


async def setup(bot: LikenessBot) -> None:
    await bot.add_cog(Endpoint())
