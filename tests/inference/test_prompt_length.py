"""What we say that a model reads is what its own tokenizer keeps."""

from pathlib import Path

import pytest
from transformers import CLIPTokenizer

from inference.bases import MINI
from inference.prompt_length import READ_TOKENS, _tokenizer, unread

PROMPTS = (
    "a photo of abraza person with red hair and round glasses",
    "It's 4k, trending!!! (on) artstation; Ünïcödé 肖像 🐈",
    "  many   spaces\tand xqzvw123 ",
    "word " * 100,
)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_tokens_are_those_of_the_model(prompt: str) -> None:
    theirs = CLIPTokenizer.from_pretrained(MINI / "tokenizer")(prompt, add_special_tokens=False).input_ids
    folder = MINI / "tokenizer"
    ours = _tokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    assert ours.encode(prompt, add_special_tokens=False).ids == theirs


def test_what_is_over_the_limit_is_named() -> None:
    fits = "red " * READ_TOKENS
    assert unread("mini", fits) == ""
    assert unread("mini", f"{fits} blue Hat") == "blue Hat"


@pytest.mark.parametrize("base", ["somebody/something", "/a/folder/that/was/moved"])
def test_a_base_that_is_not_here_cuts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert unread(base, "word " * 100) == ""
