"""Menus and forms sent without what they ask for: no client does that, but people can write to Discord."""

from __future__ import annotations

from typing import Any

import pytest
from discord import ComponentType, SelectOption, ui
from simcord.actors import _component_interaction, _dispatch_actor_interaction
from simcord.enums import InteractionType
from simcord.results import InteractionResult

from bot.app import App
from bot.sandbox import World
from bot.ui.buttons import CardButton
from bot.ui.look import Accent, card
from bot.ui.selects import CHOICES, CardChannelSelect, CardRoleSelect, CardSelect
from bot.ui.settings_panel import CHANNELS, OPTIONS, ROLES
from bot.ui.train_sheet import CropSelect
from data.drafts import Crop
from tests.bot.cogs.test_rules import FORMS_ON, THEIRS, things
from tests.bot.face import photos, text_of

GONE = "belongs to a version of me that is gone"
SEVERAL = {"bases", "backends"}
"""Menus of options in which nothing may be chosen, too."""
_OPTIONS = [SelectOption(label="x")]
_FILE = {"type": 18, "component": {"type": 19, "custom_id": "photos", "values": ["7"]}}
_CLASS = {"type": 18, "component": {"type": 3, "custom_id": "class", "values": ["person"]}}


def said(result: InteractionResult) -> str:
    return "\n".join(text_of(one) for one in (result.response, *result.followups) if one is not None)


async def test_forms_that_hold_nothing_are_answered_in_a_sentence(
    here: World, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    ids = await things(app, here, here.visitor.id, here.studio.id)

    async def send(name: str, *components: dict[str, Any]) -> str:
        data = {"custom_id": f"form:{name}:{ids[FORMS_ON[name][-1]]}:0", "components": [*components]}
        sent = _dispatch_actor_interaction(here.visitor, InteractionType.MODAL_SUBMIT, here.studio, data)
        return said(await sent)

    for name in FORMS_ON:
        assert "went wrong" not in await send(name), name
    assert GONE in await send("train") and GONE in await send("train", _CLASS, _FILE)
    assert "unexpected error" not in caplog.text


async def test_an_open_form_has_no_photos_to_press_anything_about(
    here: World, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    message = await here.visitor.send(here.studio, "that is me", attachments=photos(3))
    form = await here.visitor.context_menu(here.studio, "Train on these photos", message)
    assert form.modal is not None
    draft = await app.drafting.of(1, here.visitor.id)
    verbs = {verb for verb, rows in THEIRS.items() if rows == ("draft",)} - {"photos", "discard"}
    menu = CropSelect(draft.id, "en", [Crop(1)])
    for item in (*(CardButton(verb, draft.id) for verb in verbs), menu):
        view = card(Accent.working, ui.ActionRow[Any](item))
        message = await app.bot.get_partial_messageable(here.studio.id).send(view=view)
        if item is menu:
            answer = await here.visitor.select(message, ["0"], custom_id=item.item.custom_id)
        else:
            answer = await here.visitor.click(message, custom_id=item.item.custom_id)
        told = said(answer)
        assert "not here any more" in told or "at least 3 usable photos" in told, item.item.custom_id
    assert "unexpected error" not in caplog.text
    assert await app.drafting.of(1, here.visitor.id) == draft, "the form can still be sent"


async def test_menus_in_which_nothing_or_nothing_known_was_chosen_are_answered_in_a_sentence(
    here: World, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    ids = await things(app, here, here.visitor.id, here.studio.id)

    async def send(item: Any, **chosen: Any) -> str:
        view = card(Accent.working, ui.ActionRow(item))
        message = await app.bot.get_partial_messageable(here.studio.id).send(view=view)
        stored = here.env.backend.get_message(here.studio.id, message.id)
        data = {"custom_id": item.item.custom_id, "component_type": item.item.type.value, **chosen}
        return said(await _component_interaction(here.visitor, stored, data))

    of_channels = [*map(CardChannelSelect, CHANNELS)]
    of_roles = [*map(CardRoleSelect, ("quota", *(f"{name}_roles" for name in ROLES)))]
    names = CHOICES.names - {item.name for item in (*of_channels, *of_roles)}
    assert names >= OPTIONS.keys()
    for name in names:
        answer = await send(CardSelect(name, _OPTIONS))
        assert (GONE in answer) is (name not in SEVERAL) and "went wrong" not in answer, (name, answer)
    assert GONE in await send(CropSelect(ids["draft"], "en", [Crop(1), Crop(2)]))
    for item in (*of_channels, *of_roles):
        assert item.item.type in (ComponentType.channel_select, ComponentType.role_select)
        assert GONE in await send(item, values=["7"]), item.name
    assert "unexpected error" not in caplog.text
