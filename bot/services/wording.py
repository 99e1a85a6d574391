"""What a prompt becomes before it is drawn: `me` and names become trigger phrases, styles go around it."""

from __future__ import annotations

import re

from data.models import Model

ME = re.compile(r"\bme\b", re.IGNORECASE)

_SLOT = re.compile(r"\[(?P<name>[A-Z][A-Z ]*)(?:\|(?P<usual>[^\[\]|]*))?\]")
SUBJECT = "SUBJECT"
MAX_SLOTS = 4


class BadTemplate(ValueError):
    """A style's template says nowhere where the prompt goes, or can't be read."""


def with_subject(prompt: str, model: Model, *, wanted: bool = True) -> str:
    """A prompt in which `me` and the bare name are the model's trigger phrase.

    Where it names neither and the subject is `wanted`, the phrase goes before everything else: who picks a
    model wants to see its subject.
    """
    said = ME.sub(model.trigger, prompt)
    bare = rf"\b{re.escape(model.name)}\b(?!\s+{re.escape(model.class_name)}\b)"
    said = re.sub(bare, model.trigger, said, flags=re.IGNORECASE)
    if wanted and not names(said, model.trigger):
        return f"{model.trigger}, {said}"
    return said


def with_other_subject(prompt: str, subject: str, model: Model) -> str:
    """A prompt of somebody else with the trigger phrase of `model` in place of theirs."""
    if subject and names(prompt, subject):
        return re.sub(rf"\b{re.escape(subject)}\b", model.trigger, prompt, flags=re.IGNORECASE)
    return with_subject(prompt, model)


def names(prompt: str, subject: str) -> bool:
    """Whether a prompt says a trigger phrase."""
    return re.search(rf"\b{re.escape(subject)}\b", prompt, re.IGNORECASE) is not None


def fill(template: str, prompt: str) -> str:
    """A prompt put into a style.

    `[SUBJECT]` becomes the prompt; another slot, such as `[ARTIST|Rembrandt]`, becomes what the prompt says
    after a `|`, in order, else what stands in the slot.
    """
    others = [slot for slot in _SLOT.finditer(template) if slot["name"] != SUBJECT]
    subject, *rest = (part.strip() for part in prompt.split("|", len(others)))
    values = iter(rest)

    def value(slot: re.Match[str]) -> str:
        if slot["name"] == SUBJECT:
            return subject
        return next(values, "") or slot["usual"] or slot["name"].lower()

    return _SLOT.sub(value, template)


def check_template(template: str) -> None:
    """Raise BadTemplate unless `[SUBJECT]` stands in a template once and its other slots are few."""
    slots = [slot["name"] for slot in _SLOT.finditer(template)]
    if slots.count(SUBJECT) != 1 or len(slots) > MAX_SLOTS:
        raise BadTemplate(template)
    if set("[]|") & set(_SLOT.sub("", template)):
        raise BadTemplate(template)
