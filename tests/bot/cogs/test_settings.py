"""`/settings`: the admins' panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import discord
import pytest
from discord import ui
from simcord.results import InteractionResult

from bot.app import App
from bot.locales import LANGUAGES
from bot.sandbox import World
from bot.ui.buttons import CardButton
from bot.ui.look import Accent, card
from bot.ui.settings_panel import SECTIONS, settings_panel
from data.settings import GuildSettings, RoleQuota
from inference.bases import BASES
from tests.bases import copy_mini, hub_of_bases, repository
from tests.bot.cogs.test_restart import restarted
from tests.bot.face import card_saying, text_of, train
from tests.fakes import ScriptedGpu


@pytest.fixture
async def panel(here: World) -> InteractionResult:
    return await here.visitor.slash(here.studio, "settings")


async def section(here: World, panel: InteractionResult, name: str) -> None:
    await here.visitor.select(panel.response, [name], custom_id="choose:section")


async def test_training_can_be_switched_off(here: World, panel: InteractionResult) -> None:
    await section(here, panel, "people")
    await here.visitor.click(panel.response, label="Switch off")

    assert "Nobody may train models" in text_of(panel.response)
    assert "Training is switched off" in text_of((await train(here)).response)
    await here.visitor.click(panel.response, label="Switch on")
    assert "People may train models" in text_of(panel.response)


async def test_numbers_are_asked_in_a_form(here: World, app: App, panel: InteractionResult) -> None:
    await section(here, panel, "training")
    form = await here.visitor.click(panel.response, label="Change")
    await here.visitor.submit_modal(form, {"max_steps": "120", "default_steps": "100"})
    settings = await app.settings.get(here.guild.id)
    assert (settings.max_steps, settings.default_steps) == (120, 100)
    assert "usual: 100 · most: 120" in text_of(panel.response)

    for typed, said in ((("many", ""), "must lie between 1 and 20000"), (("50", "60"), "don't fit together")):
        again = await here.visitor.click(panel.response, label="Change")
        refused = await here.visitor.submit_modal(again, {"max_steps": typed[0], "default_steps": typed[1]})
        assert said in text_of([refused.response, *refused.followups][-1])
    assert await app.settings.get(here.guild.id) == settings


async def test_a_role_gets_quotas_and_loses_them(here: World, app: App, panel: InteractionResult) -> None:
    role = here.guild.create_role("patrons")
    await section(here, panel, "quotas")
    form = await here.visitor.select(panel.response, [role], custom_id="role:quota")
    await here.visitor.submit_modal(form, {"daily_trainings": "2", "daily_pictures": "", "concurrent": "3"})
    assert (await app.settings.get(here.guild.id)).role_quotas == {role.id: RoleQuota(2, None, 3)}
    assert f"<@&{role.id}> · trainings: 2 · pictures: no limit · at once: 3" in text_of(panel.response)

    form = await here.visitor.select(panel.response, [role], custom_id="role:quota")
    await here.visitor.submit_modal(form, {"daily_trainings": "", "daily_pictures": "", "concurrent": ""})
    assert (await app.settings.get(here.guild.id)).role_quotas == {}


async def test_menus_set_roles_options_and_words(here: World, app: App, panel: InteractionResult) -> None:
    role = here.guild.create_role("artists")
    await section(here, panel, "people")
    await here.visitor.select(panel.response, [role], custom_id="role:imagine_roles")
    await section(here, panel, "drawing")
    form = await here.visitor.click(panel.response, custom_id="setting:5:0")
    await here.visitor.submit_modal(form, {"max_count": "3", "default_count": "2"})
    await here.visitor.select(panel.response, ["local"], custom_id="choose:backends")
    await here.visitor.select(panel.response, ["portrait"], custom_id="choose:default_size")
    await section(here, panel, "safety")
    await here.visitor.select(panel.response, ["strict"], custom_id="choose:safety")
    form = await here.visitor.click(panel.response, custom_id="setting:3:0")
    await here.visitor.submit_modal(form, {"words": "Clown\nsad  clown, clown\uff0cClown"})
    await section(here, panel, "general")
    await here.visitor.click(panel.response, label="Switch on")

    assert await app.settings.get(here.guild.id) == GuildSettings(
        imagine_roles=(role.id,),
        max_count=3,
        default_count=2,
        backends=("local",),
        default_size="portrait",
        safety="strict",
        words=("Clown", "sad clown", "clown"),
        digest=True,
    )


async def test_samples_go_where_the_admins_chose(here: World, panel: InteractionResult) -> None:
    gallery = here.guild.create_text_channel("gallery")
    await here.visitor.select(panel.response, [gallery], custom_id="channel:samples")
    await train(here)
    await card_saying(here, f"First pictures: <#{gallery.id}>")


async def test_the_language_changes_every_answer(here: World, panel: InteractionResult) -> None:
    await section(here, panel, "general")
    await here.visitor.select(panel.response, ["zh-CN"], custom_id="choose:language")

    assert "本服务器的设置" in text_of(panel.response)
    assert "你可以用来画图的模型" in text_of((await here.visitor.slash(here.studio, "models")).response)
    refused = await train(here, consent=False)
    assert "请按“我同意”" in text_of(refused.response)


async def test_only_who_manages_the_server_may_touch_it(here: World, app: App) -> None:
    channel = app.bot.get_partial_messageable(here.studio.id)
    member = here.guild.add_member(here.env.create_user("member"))
    role = here.guild.create_role("any")
    settings = await app.settings.get(here.guild.id)
    public = {name: await channel.send(view=settings_panel("en", settings, name)) for name in SECTIONS}

    for touch in (
        member.select(public["people"], ["quotas"], custom_id="choose:section"),
        member.click(public["people"], label="Switch off"),
        member.click(public["training"], label="Change"),
        member.click(public["safety"], custom_id="setting:3:0"),
        member.select(public["general"], ["zh-CN"], custom_id="choose:language"),
        member.select(public["channels"], [here.studio], custom_id="channel:modlog"),
        member.select(public["people"], [role], custom_id="role:train_roles"),
        member.select(public["quotas"], [role], custom_id="role:quota"),
    ):
        assert "Only people who manage this server" in text_of((await touch).response)
    assert await app.settings.get(here.guild.id) == GuildSettings()


async def test_an_old_panel_works_after_a_restart(here: World, app: App, panel: InteractionResult) -> None:
    after = await restarted(here, app, ScriptedGpu())
    try:
        await here.visitor.select(panel.response, ["safety"], custom_id="choose:section")
        await here.visitor.select(panel.response, ["off"], custom_id="choose:safety")
        assert (await after.settings.get(here.guild.id)).safety == "off"
    finally:
        await after.close()


@pytest.mark.parametrize("locale", LANGUAGES)
def test_the_fullest_panel_fits_on_a_card(locale: str) -> None:
    settings = GuildSettings(
        role_quotas={10**18 + role: RoleQuota(100, 1000, 10) for role in range(60)},
        words=tuple(f"word{number}" for number in range(500)),
        train_roles=tuple(10**18 + role for role in range(30)),
    )
    for name in SECTIONS:
        view = settings_panel(locale, settings, name)
        assert view.content_length() <= 4000 and view.total_children_count <= 40


async def test_the_command_is_hidden_from_members(here: World, app: App) -> None:
    (command,) = [one for one in await app.bot.tree.fetch_commands() if one.name == "settings"]
    assert command.default_member_permissions == discord.Permissions(manage_guild=True)


async def test_a_base_that_can_not_be_used_is_not_offered(
    here: World, app: App, panel: InteractionResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub_of_bases(monkeypatch, tmp_path / "cache") as hub:
        repo = hub.repos[BASES["sd15"].source] = repository(copy_mini(tmp_path / "base"))
        repo.gated = True
        await section(here, panel, "training")
        refused = await here.visitor.select(panel.response, ["mini", "sd15"], custom_id="choose:bases")
        assert "set `HF_TOKEN`" in text_of([refused.response, *refused.followups][-1])
        assert (await app.settings.get(here.guild.id)).bases == ()
        repo.gated = False
        await here.visitor.select(panel.response, ["mini", "sd15"], custom_id="choose:bases")
        assert (await app.settings.get(here.guild.id)).bases == ("mini", "sd15")


@pytest.mark.parametrize(
    "custom_id", ["switch:9:1", "setting:99:0", "queuetrain:0:7", "queuedraw:2:0", "erase:7:1"]
)
async def test_a_place_that_this_version_lacks_is_refused_after_the_rule(
    here: World, app: App, custom_id: str
) -> None:
    verb, target, index = custom_id.split(":")
    button = CardButton(verb, int(target), int(index))
    channel = app.bot.get_partial_messageable(here.studio.id)
    message = await channel.send(view=card(Accent.working, ui.ActionRow[Any](button)))
    said = text_of((await here.visitor.click(message, custom_id=custom_id)).response)
    assert "a version of me that is gone" in said or "Only the owner of this bot" in said
    stranger = here.guild.add_member(here.env.create_user("stranger"))
    answered = text_of((await stranger.click(message, custom_id=custom_id)).response)
    assert "Only" in answered or verb == "erase", "who it is comes before what it is"
