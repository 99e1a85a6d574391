"""What a picture says of how it was drawn, read back as the AUTOMATIC1111 web UI reads it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from inference.metadata import Cut, name_of, parameters
from inference.requests import DrawRequest

_FACT = re.compile(r'([^:,"]+): ("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)')


def read(text: str) -> dict[str, str]:
    """As that program's documentation describes the form: the words, what to avoid, one line of facts."""
    *lines, last = text.strip().split("\n")
    found = {"prompt": "", "negative": ""}
    into = "prompt"
    for line in (line.strip() for line in lines):
        if line.startswith("Negative prompt:"):
            into, line = "negative", line.removeprefix("Negative prompt:").strip()
        found[into] += ("\n" if found[into] else "") + line
    facts = _FACT.findall(last)
    return found | {name: json.loads(value) if value[:1] == '"' else value for name, value in facts}


def request(**values: object) -> DrawRequest:
    asked = {"id": "1", "model": "mini", "prompt": "a cat", "steps": 20, "seed": 3, "out": "/out"}
    return DrawRequest.model_validate(asked | values)


def test_what_is_known_goes_in_and_what_is_not_stays_out() -> None:
    assert parameters(request(), 3, (96, 96)) == (
        "a cat\nSteps: 20, Sampler: DDIM, CFG scale: 7.5, Seed: 3, Size: 96x96, Model: mini"
    )
    cut = Cut(64, 96, left=16, top=0)
    assert parameters(request(model=""), 3, (96, 96), sampler=None, cut=cut) == (
        "a cat\nSteps: 20, CFG scale: 7.5, Seed: 3, Size: 96x96, Cut: 64x96+16+0"
    )
    begun = parameters(request(init="/a.png", strength=0.35), 3, (96, 96))
    assert read(begun)["Denoising strength"] == "0.35"


@pytest.mark.parametrize(
    "title", ["me, myself", 'the "best" one', "a:b", "two\nlines", "猫, 狗", '"', "plain"]
)
def test_a_name_comes_back_whatever_is_in_it(title: str) -> None:
    found = read(parameters(request(title=title), 3, (96, 96)))
    assert (found["Model"], found["Seed"], found["Size"]) == (title, "3", "96x96")


@pytest.mark.parametrize(
    "prompt",
    [
        "two\nlines, with: colons",
        "Negative prompt: no, this is what I want",
        "a cat\n Negative prompt: dogs",
        "a cat\nSteps: 1, Sampler: Euler, Seed: 9, Size: 1x1",
    ],
)
def test_words_are_not_taken_for_facts(prompt: str) -> None:
    found = read(parameters(request(prompt=prompt, negative=prompt), 3, (96, 96)))
    expected = "\n".join(line.strip() for line in prompt.casefold().split("\n"))
    assert found["prompt"].casefold() == found["negative"].casefold() == expected
    assert (found["Steps"], found["Seed"], found["Size"]) == ("20", "3", "96x96")


def test_a_model_is_called_what_people_call_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "abraza" / "model"
    folder.mkdir(parents=True)
    assert [
        name_of(name) for name in ("mini", "owner/portraits", "owner/model", str(folder), f"{folder}/", "")
    ] == [*("mini", "portraits", "model", "abraza", "abraza", "")]
    monkeypatch.chdir(folder.parent)
    assert name_of("model") == "abraza"
    monkeypatch.chdir(folder)
    assert name_of(".") == "abraza"
