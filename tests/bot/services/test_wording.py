import pytest

from bot.services.styles import BUILT_IN
from bot.services.wording import BadTemplate, check_template, fill


@pytest.mark.parametrize(
    ("template", "prompt", "filled"),
    [
        ("oil painting of [SUBJECT], 4k", "me", "oil painting of me, 4k"),
        ("[SUBJECT] by [ARTIST|Vermeer]", "me", "me by Vermeer"),
        ("[SUBJECT] by [ARTIST|Vermeer]", "me | Frida Kahlo", "me by Frida Kahlo"),
        ("[SUBJECT] by [ARTIST|Vermeer]", r"\1 | \g<0>", r"\1 by \g<0>"),
        ("[A|x] [SUBJECT] [B|y]", "me | | z", "x me z"),
        ("[SUBJECT] in [TV SHOW]", "me", "me in tv show"),
        ("photo of [SUBJECT]", "me | you", "photo of me | you"),
        ("photo of [SUBJECT]", "[SUBJECT|me]", "photo of [SUBJECT|me]"),
    ],
)
def test_a_prompt_takes_its_place_in_a_template(template: str, prompt: str, filled: str) -> None:
    assert fill(template, prompt) == filled


@pytest.mark.parametrize(
    "template",
    ["", "a photo", "[SUBJECT] and [SUBJECT]", "[SUBJECT", "[SUBJECT] [x]", "[SUBJECT][A][B][C][D]"],
)
def test_a_template_without_one_place_for_the_prompt_is_none(template: str) -> None:
    with pytest.raises(BadTemplate):
        check_template(template)


def test_what_comes_with_us_is_well_formed() -> None:
    for style in BUILT_IN:
        check_template(style.template)
        assert "[" not in fill(style.template, "me")
