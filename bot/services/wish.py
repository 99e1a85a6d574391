"""What a person wants a training to be, and whether they may have it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from bot.services.refusal import Refusal
from bot.services.safety import check_never, check_prompt
from bot.services.wording import ME
from data.errors import CodedError
from data.settings import GuildSettings
from inference.bases import Base, look_up
from inference.requests import MAX_PROMPT
from trainer.names import check_name
from trainer.presets import Preset, recipe_for
from trainer.spec import Concept, Method, TrainSpec, steps_for

PHOTOS = "photos"
"""The folder of a job that holds its crops."""

_REFUSED_FOR = {
    "too_many_steps": "steps",
    "prompt_too_long": "sample_prompt",
    "word_blocked": "sample_prompt",
    "lora_as_base": "method",
}
"""Which option was not right; all else that `check_wish` refuses is about the base, or asked in the form.

Nothing takes the place of what is never allowed.
"""

MENDED_ELSEWHERE = ("base_unreachable", "base_refused", "base_incomplete", "unknown_base")
"""Refusals of a wish that may be granted later as it is: the Hub answers again, an admin saw to the base."""

_CLASS_NAME = re.compile(r"[A-Za-z]{2,16}( [A-Za-z]{2,16})?")


class Wish(BaseModel):
    """The options of `/train`; None leaves a choice to the preset, the guild or the installation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    class_name: str = "person"
    steps: int | None = None
    base: str | None = None
    method: Method | None = None
    preset: Preset = "lesson"
    sample_prompt: str = ""


def with_default(wish: Wish, refused: str) -> Wish:
    """The wish without the option for which it was refused with this code."""
    option = _REFUSED_FOR.get(refused, "base")
    return wish.model_copy(update={option: Wish.model_fields[option].default})


def check_options(wish: Wish, settings: GuildSettings, own_base: str, *, age_restricted: bool) -> None:
    """What only the command can put right: the form asks for none of it. Asks nobody on the network.

    Raises Refusal: word_never before all others, base_not_offered, too_many_steps, prompt_too_long,
    word_blocked.
    """
    # The samples show the name and the class, too, wherever the prompt says `me`.
    check_never(f"{wish.name} {wish.class_name} {wish.sample_prompt}")
    offered = bases_offered(settings, own_base)
    if wish.base is not None and wish.base not in offered:
        raise Refusal("base_not_offered", base=wish.base, bases=", ".join(offered))
    if wish.steps is not None and not 1 <= wish.steps <= settings.max_steps:
        raise Refusal("too_many_steps", limit=settings.max_steps)
    if len(wish.sample_prompt) > MAX_PROMPT:
        raise Refusal("prompt_too_long", length=len(wish.sample_prompt), limit=MAX_PROMPT)
    check_prompt(settings, wish.sample_prompt, age_restricted=age_restricted)


def check_wish(wish: Wish, settings: GuildSettings, own_base: str, *, age_restricted: bool) -> Base:
    """Everything that can be refused without looking at a photo; the base to start from.

    Blocking: what this machine doesn't know of the base yet is asked of the Hub. Raises Refusal as
    `check_options` does; bad_name, bad_class, lora_as_base; and as `inference.bases.look_up` does.
    """
    check_options(wish, settings, own_base, age_restricted=age_restricted)
    try:
        check_name(wish.name)
        base = look_up(wish.base or own_base).base
        recipe_for(base.alias, wish.preset, wish.method)
    except CodedError as error:
        raise Refusal(error.code, base=wish.base or own_base) from error
    if not _CLASS_NAME.fullmatch(wish.class_name):
        raise Refusal("bad_class")
    return base


def bases_offered(settings: GuildSettings, own_base: str) -> tuple[str, ...]:
    """The bases that people of a guild may train on, the installation's own first."""
    return (own_base, *(base for base in settings.bases if base != own_base))


async def check_bases(bases: Iterable[str]) -> None:
    """Look at bases before a guild offers them. Raises Refusal as `inference.bases.look_up` raises errors."""
    for base in bases:
        try:
            await asyncio.to_thread(look_up, base)
        except CodedError as error:
            raise Refusal(error.code, base=base) from error


def spec_of(wish: Wish, settings: GuildSettings, base: Base, photos: int, class_pool: str) -> TrainSpec:
    """The training that a wish becomes with so many photos, within the guild's limit of steps."""
    recipe = recipe_for(base.alias, wish.preset, wish.method)
    steps = wish.steps or settings.default_steps or steps_for(photos, recipe)
    concept = Concept(name=wish.name, class_name=wish.class_name, photos=PHOTOS)
    subject = f"{wish.name} {wish.class_name}"
    prompt = " ".join(ME.sub(subject, wish.sample_prompt).split())
    changes: dict[str, object] = {"steps": min(steps, settings.max_steps)}
    if prompt:
        changes["sample_prompts"] = (prompt,)
    return TrainSpec(
        base=base.alias,
        concepts=(concept,),
        recipe=recipe.model_copy(update=changes),
        class_pool=class_pool,
    )
