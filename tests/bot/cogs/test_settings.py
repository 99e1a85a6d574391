"""`/settings`: the admins' panel."""

from __future__ import annotations

import discord
import pytest
from simcord.results import InteractionResult

from bot.app import App
from bot.sandbox import World
from tests.bot.face import card_saying, text_of, train


@pytest.fixture
async def panel(here: World) -> InteractionResult:
    return await here.visitor.slash(here.studio, "settings")


async def test_training_can_be_switched_off(here: World, panel: InteractionResult) -> None:
    await here.visitor.click(panel.response, label="Switch off")

    assert "Nobody may train models" in text_of(panel.response)
    assert "Training is switched off" in text_of((await train(here)).response)
    await here.visitor.click(panel.response, label="Switch on")
    assert "Took 6 photos" in text_of((await train(here)).response)


async def test_the_most_steps_are_asked_in_a_form(here: World, app: App, panel: InteractionResult) -> None:
    form = await here.visitor.click(panel.response, label="Change")
    await here.visitor.submit_modal(form, {"steps": "120"})
    assert (await app.settings.get(here.guild.id)).max_steps == 120
    again = await here.visitor.click(panel.response, label="Change")
    refused = await here.visitor.submit_modal(again, {"steps": "many"})
    assert "must lie between 1 and 20000" in text_of(refused.response)
    assert (await app.settings.get(here.guild.id)).max_steps == 120


async def test_samples_go_where_the_admins_chose(here: World, panel: InteractionResult) -> None:
    gallery = here.guild.create_text_channel("gallery")
    await here.visitor.select(panel.response, [gallery], custom_id="setting:samples")
    await train(here)
    await card_saying(here, f"First pictures: <#{gallery.id}>")


async def test_the_language_changes_every_answer(here: World, panel: InteractionResult) -> None:
    await here.visitor.select(panel.response, ["zh-CN"], custom_id="setting:language")

    assert "本服务器的设置" in text_of(panel.response)
    assert "你的模型" in text_of((await here.visitor.slash(here.studio, "models")).response)
    shown = await here.visitor.slash(here.studio, "train")
    assert shown.modal is not None
    assert shown.modal["title"] == "教我认识一张新面孔"
    refused = await train(here, consent=False)
    assert "请勾选同意" in text_of(refused.response)
    await train(here)
    await card_saying(here, "认识一下 abraza")


async def test_only_who_manages_the_server_may_touch_it(
    here: World, app: App, panel: InteractionResult
) -> None:
    channel = app.bot.get_partial_messageable(here.studio.id)
    from bot.ui.settings_panel import settings_panel

    public = await channel.send(view=settings_panel("en", await app.settings.get(here.guild.id)))
    member = here.guild.add_member(here.env.create_user("member"))

    for touch in (
        member.click(public, label="Switch off"),
        member.click(public, label="Change"),
        member.select(public, ["zh-CN"], custom_id="setting:language"),
    ):
        assert "Only people who manage this server" in text_of((await touch).response)
    settings = await app.settings.get(here.guild.id)
    assert settings.train_enabled
    assert settings.language == "auto"


async def test_the_command_is_hidden_from_members(here: World, app: App) -> None:
    (command,) = [one for one in await app.bot.tree.fetch_commands() if one.name == "settings"]
    assert command.default_member_permissions == discord.Permissions(manage_guild=True)
