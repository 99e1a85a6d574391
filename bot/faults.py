"""What an error of Discord's means for whoever called it: one reading for the whole bot."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import aiohttp
import discord

log = logging.getLogger(__name__)

CUT = (aiohttp.ClientError, ConnectionError, TimeoutError)
"""How a connection ends that Discord, or what lies between, cuts: nobody knows whether it took the call."""

FAULTS = (discord.HTTPException, *CUT)
"""Everything that a call to Discord may raise and that is no defect of ours."""

UNKNOWN_CHANNEL = 10003
_ARCHIVED = 50083
_TOO_LARGE = 413


class Fault(StrEnum):
    gone = "gone"
    """The message or its place is not there, closed or forbidden: asking again brings the same answer."""
    refused = "refused"
    """Discord does not take what we sent, and never will."""
    trouble = "trouble"
    """Discord can't just now: the same call may succeed later."""


def fault_of(error: BaseException) -> Fault | None:
    """What an error is; None for one that has nothing to do with Discord."""
    if isinstance(error, CUT):
        return Fault.trouble
    if not isinstance(error, discord.HTTPException):
        return None
    if error.status == 429 or error.status >= 500:
        return Fault.trouble
    return Fault.gone if error.status in (403, 404) or archived(error) else Fault.refused


def too_large(error: discord.HTTPException) -> bool:
    """Whether it was the files that Discord did not take."""
    return error.status == _TOO_LARGE


def archived(error: discord.HTTPException) -> bool:
    """Whether it was about something in an archived thread, where nothing can be changed."""
    return error.code == _ARCHIVED


def said(error: BaseException) -> str:
    """What an error says; of a time-out, which says nothing, its name."""
    return str(error) or type(error).__name__


def tell(log: logging.Logger, error: Exception, about: str) -> None:
    """Log what went wrong: Discord's troubles in a sentence, a defect of ours with its traceback."""
    if fault_of(error) is None:
        log.error("%s", about, exc_info=error)
    else:
        log.warning("%s: %s", about, said(error))


@contextmanager
def nowhere_to_go(what: str) -> Iterator[None]:
    """Log what Discord would answer for ever, instead of raising it; its troubles are raised."""
    try:
        yield
    except discord.HTTPException as error:
        if fault_of(error) is Fault.trouble:
            raise
        log.warning("%s has nowhere to go: %s", what, error)
