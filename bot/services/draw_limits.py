"""What a drawing may ask for: the request's own limits, the guild's, and the sizes of a base."""

from __future__ import annotations

from annotated_types import Ge, Le, Lt
from pydantic import ValidationError

from bot.services.draw_payload import DrawPayload
from bot.services.refusal import Refusal
from data.errors import CodedError
from data.models import Model
from data.settings import Backend, GuildSettings, Size
from inference.bases import Base, resolve
from inference.requests import MAX_PROMPT, DrawRequest

MAX_SIDE = 2048
"""Pixels, as in `DrawRequest`."""

_LONG = 1.5
"""The long side of a portrait or landscape over the short one."""


def sides_of(drawn_by: str | Model, size: Size) -> tuple[int | None, int | None]:
    """Width and height in pixels at which a base or a model draws a size; None is its own side.

    Raises Refusal as `inference.bases.resolve` raises errors.
    """
    if size == "square":
        return None, None
    known = _known(drawn_by)
    long = int(known.resolution * _LONG) // known.size_step * known.size_step
    return (known.resolution, long) if size == "portrait" else (long, known.resolution)


def twice(drawn_by: str | Model, width: int, height: int) -> tuple[int, int]:
    """Width and height of an upscaled picture: twice as large, or as large as is drawn at all.

    Raises Refusal(already_large) where that would hardly be larger, and as `sides_of` does.
    """
    step = _known(drawn_by).size_step
    factor = min(2.0, MAX_SIDE / max(width, height))
    if factor < 1.25:
        raise Refusal("already_large", width=width, height=height)
    return int(width * factor) // step * step, int(height * factor) // step * step


def _known(drawn_by: str | Model) -> Base:
    """A model in full may outlive its base, so it is asked itself."""
    name, base = (drawn_by, drawn_by) if isinstance(drawn_by, str) else (str(drawn_by.path), drawn_by.base)
    try:
        return resolve(name)
    except CodedError as error:
        raise Refusal(error.code, base=base) from error


def usual_backend(settings: GuildSettings) -> Backend:
    """Where a guild draws for whoever says nothing."""
    return "auto" if "auto" in settings.backends else settings.backends[0]


def check_payload(payload: DrawPayload, settings: GuildSettings) -> None:
    """Raises Refusal: prompt_empty, prompt_too_long, bad_value, backend_off.

    `bad_value` names the `field`, and `low` and `high` where it is a number.
    """
    if not payload.prompt:
        raise Refusal("prompt_empty")
    for text in (payload.prompt, payload.negative):
        if len(text) > MAX_PROMPT:
            raise Refusal("prompt_too_long", length=len(text), limit=MAX_PROMPT)
    for field, most in (("steps", settings.max_draw_steps), ("count", settings.max_count)):
        if not 1 <= getattr(payload, field) <= most:
            raise Refusal("bad_value", field=field, low=1, high=most)
    if payload.guidance > settings.max_guidance:
        raise Refusal("bad_value", field="guidance", low=0, high=f"{settings.max_guidance:g}")
    try:
        payload.request("", model="", out="")
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        raise Refusal("bad_value", field=field, **_limits(field)) from error
    if payload.backend not in settings.backends:
        raise Refusal("backend_off")


def _limits(field: str) -> dict[str, object]:
    """`low` and `high` of a field that is a number."""
    limits: dict[str, object] = {}
    for rule in DrawRequest.model_fields[field].metadata:
        match rule:
            case Ge(low):
                limits["low"] = low
            case Le(high):
                limits["high"] = high
            case Lt(above) if isinstance(above, int):
                limits["high"] = above - 1
    return limits
