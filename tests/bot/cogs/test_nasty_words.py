"""Whatever people write, into whichever field: a sentence or a card; nothing pings, formats or breaks."""

from __future__ import annotations

import re
from typing import Any

import discord
import pytest
from simcord.preview._markdown import markdown_tokens
from simcord.results import InteractionResult

from bot.app import App
from bot.sandbox import World
from bot.ui.look import quoted
from tests.bot.face import card_saying, photos, text_of

NASTY = {
    "long": "x" * 4000,
    "emoji": "\U0001f469\u200d\U0001f469\u200d\U0001f467" * 500,
    "right-to-left": "\u202e\u0645\u0631\u062d\u0628\u0627\u2066 me",
    "mentions": "@everyone @here <@123456789012345678> <@&123456789012345679> <#3> </train:4> <t:5>",
    "links": "http://x.example/a_b <https://x.example> [l](http://x.example) a\\://x.example steam://x.example",
    "markup": "# me\n**b** __u__ ||s|| `c` ```\nx\n``` [l](http://x.example) {name} %s",
}

COMMANDS: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("imagine", "prompt", {}),
    ("imagine", "negative", {"prompt": "a cat"}),
    ("imagine", "model", {"prompt": "a cat"}),
    ("imagine", "style", {"prompt": "a cat"}),
    ("train", "name", {"photo1": photos(1)[0], "consent": True}),
    ("train", "base", {"photo1": photos(1)[0], "consent": True, "name": "abraza"}),
    ("train", "class", {"photo1": photos(1)[0], "consent": True, "name": "abraza"}),
    ("train", "sample_prompt", {"photo1": photos(1)[0], "consent": True, "name": "abraza"}),
    ("prompts search", "words", {}),
    ("styles add", "name", {"template": "[SUBJECT]"}),
    ("styles add", "template", {"name": "noir"}),
    ("styles remove", "name", {}),
    ("help", "command", {}),
    ("endpoint deploy", "repository", {"hardware": "a"}),
    ("endpoint deploy", "hardware", {"repository": "a/b"}),
    ("endpoint deploy", "trigger", {"repository": "a/b", "hardware": "a"}),
)


@pytest.mark.parametrize("words", NASTY.values(), ids=NASTY.keys())
async def test_words_in_commands(here: World, words: str) -> None:
    limits = await _limits(here)
    for command, option, others in COMMANDS:
        said = words[: limits.get((command, option), 6000)]
        assert_harmless(await here.visitor.slash(here.studio, command, **others, **{option: said}), command)


async def test_words_in_forms(here: World, app: App) -> None:
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", seed=7)
    card = await card_saying(here, "seed 7")
    for words in NASTY.values():
        form = await here.visitor.click(card, label="Edit prompt")
        assert_harmless(
            await here.visitor.submit_modal(form, {"prompt": words[:1000], "negative": words[:1000]}), "edit"
        )
        form = await here.visitor.click(card, label="Report")
        assert_harmless(
            await here.visitor.submit_modal(form, {"reason": words[:500], "which": ["0"]}), "report"
        )
        panel = await here.visitor.slash(here.studio, "settings")
        await here.visitor.select(panel.response, ["safety"], custom_id="choose:section")
        form = await here.visitor.click(panel.response, custom_id="setting:3:0")
        assert_harmless(await here.visitor.submit_modal(form, {"words": words[:4000]}), "words")
        assert_harmless(await here.visitor.slash(here.studio, "imagine", prompt=words[:1000]), "imagine")
        await app.settings.update(here.guild.id, words=())


@pytest.mark.parametrize("sign", ["*", "<", "@everyone ", "_a", "\\", "http://x.y/_"])
async def test_signs_that_are_made_harmless_still_fit_into_a_card(here: World, sign: str) -> None:
    words = (sign * 1000)[:1000]
    await here.visitor.slash(here.studio, "imagine", prompt=words, negative=words, seed=7)
    card = await card_saying(here, "seed 7")
    details = await here.visitor.click(card, label="Details")
    assert "Drawing 1" in text_of(details.response)
    assert_harmless(details, "details")
    assert len(quoted(words, 50)) <= 50 and quoted(words, 50).endswith("…")


@pytest.mark.parametrize("words", NASTY.values(), ids=NASTY.keys())
def test_quoted_words_are_text_and_nothing_else(words: str) -> None:
    (heading,) = parsed(f"### {quoted(words)}")
    assert {token["type"] for inline in heading["children"] for token in inline["children"]} == {"text"}


def test_a_link_that_somebody_writes_is_read_as_they_wrote_it() -> None:
    (paragraph,) = parsed(quoted("see http://x.example/a_b"))
    assert paragraph["children"][0]["children"] == [{"type": "text", "content": "see http://x.example/a_b"}]
    assert links("see http://x.example/a_b") == ["http://x.example/a_b"], "so it would be without"


def parsed(said: str) -> list[dict[str, Any]]:
    """What a client makes of a card's text."""
    return markdown_tokens(said, "text_display")


def links(said: str) -> list[str]:
    """The addresses of strangers that a card would open."""
    return re.findall(r"'href': '([^']*\.example[^']*)'", str(parsed(said)))


async def _limits(here: World) -> dict[tuple[str, str], int]:
    """The lengths that Discord itself lets through."""
    found = {}
    for command in await here.env.bot.tree.fetch_commands():
        groups = [one for one in command.options if isinstance(one, discord.app_commands.AppCommandGroup)]
        for name, options in [(command.name, command.options)] + [
            (f"{command.name} {group.name}", group.options) for group in groups
        ]:
            for option in options:
                if getattr(option, "max_length", None):
                    found[name, option.name] = option.max_length
    return found


def assert_harmless(answer: InteractionResult, where: str) -> None:
    said = text_of(answer.response) if answer.response is not None else ""
    assert "Something went wrong" not in said, (where, said)
    assert len(said) <= 4000
    assert not links(said), (where, said)
    for bad in ("@everyone", "@here", "<@1", "<@&1", "<#3>", "</train", "<t:5", "\u202e", "**b**"):
        assert bad not in said, (where, said)
    assert not re.search(r"(?<!\\)\[l\]\(", said), (where, said)
