"""`/styles`: the list with its examples, and what admins may change."""

from __future__ import annotations

from bot.app import App
from bot.sandbox import World
from bot.services.examples import SITTER
from tests.bot.cogs.test_results import friend_of
from tests.bot.face import eventually, text_of
from tests.fakes import ScriptedGpu


async def test_the_list_draws_its_examples_and_shows_them(here: World, app: App, gpu: ScriptedGpu) -> None:
    listed = await here.visitor.slash(here.studio, "styles list")
    said = text_of(listed.response)
    assert listed.ephemeral and "`style:photo`" in said and "example is being drawn" in said
    await eventually(lambda: len(list(app.files.style_examples.glob("*.png"))) == 6)
    assert gpu.drawn[0].prompt == f"photo of {SITTER}"

    await here.visitor.click(listed.response, label="Refresh")
    again = await here.visitor.slash(here.studio, "styles list")
    assert "example is being drawn" not in text_of(again.response)
    await here.visitor.click(again.response, label="More")
    assert await eventually(lambda: any("watercolour" in request.prompt for request in gpu.drawn))


async def test_admins_add_replace_and_remove(here: World, app: App) -> None:
    added = await here.visitor.slash(
        here.studio, "styles add", name="Film Noir", template="film noir photo of [SUBJECT] by [ARTIST|Lang]"
    )
    assert "**film-noir** is a style of this server now" in text_of(added.response)
    (first, *_) = await app.styles.of_guild(here.guild.id)
    assert (first.name, first.own) == ("film-noir", True)
    offered = await here.visitor.autocomplete(here.studio, "styles remove", "name", "")
    assert [choice["value"] for choice in offered] == ["film-noir"]
    gone = await here.visitor.slash(here.studio, "styles remove", name="film-noir")
    assert "no style of this server any more" in text_of(gone.response)
    twice = await here.visitor.slash(here.studio, "styles remove", name="film-noir")
    assert "There is no style" in text_of(twice.response)
    kept = await here.visitor.slash(here.studio, "styles remove", name="photo")
    assert "comes with me" in text_of(kept.response)


async def test_bad_styles_and_other_people_are_refused(here: World, app: App) -> None:
    for name, template, sentence in (
        ("noir", "film noir", "needs `[SUBJECT]`"),
        ("noir!", "photo of [SUBJECT]", "small letters"),
        ("noir", "x" * 300 + "[SUBJECT]", "at most 300"),
        ("noir", "naked photo of [SUBJECT]", "naked"),
    ):
        answer = await here.visitor.slash(here.studio, "styles add", name=name, template=template)
        assert sentence in text_of(answer.response)
    friend = friend_of(here)
    for command, options in (
        ("styles add", {"name": "noir", "template": "[SUBJECT]"}),
        ("styles remove", {"name": "noir"}),
    ):
        assert "Only people who manage" in text_of(
            (await friend.slash(here.studio, command, **options)).response
        )
    assert not [style for style in await app.styles.of_guild(here.guild.id) if style.own]
