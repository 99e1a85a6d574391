"""What an error of Discord's means."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import aiohttp
import discord
import pytest

from bot.faults import Fault, fault_of, nowhere_to_go, tell


def answered(status: int, code: int = 0) -> discord.HTTPException:
    response: Any = SimpleNamespace(status=status, reason="told by a test")
    kind = {403: discord.Forbidden, 404: discord.NotFound, 503: discord.DiscordServerError}
    return kind.get(status, discord.HTTPException)(response, {"code": code, "message": "told by a test"})


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (answered(404, 10008), Fault.gone),
        (answered(403, 50001), Fault.gone),
        (answered(400, 50083), Fault.gone),
        (answered(400, 50035), Fault.refused),
        (answered(413), Fault.refused),
        (answered(429), Fault.trouble),
        (answered(503), Fault.trouble),
        (aiohttp.ServerDisconnectedError(), Fault.trouble),
        (ConnectionResetError(), Fault.trouble),
        (TimeoutError(), Fault.trouble),
        (OSError("the disk"), None),
        (ValueError("ours"), None),
    ],
)
def test_an_error_is_gone_refused_trouble_or_ours(error: Exception, fault: Fault | None) -> None:
    assert fault_of(error) is fault


def test_what_has_nowhere_to_go_is_said_and_what_may_come_later_is_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with nowhere_to_go("the end"):
        raise answered(404)
    assert "the end has nowhere to go" in caplog.text
    with pytest.raises(discord.HTTPException), nowhere_to_go("the end"):
        raise answered(503)
    with pytest.raises(aiohttp.ClientError), nowhere_to_go("the end"):
        raise aiohttp.ServerDisconnectedError


@pytest.mark.parametrize(
    ("error", "said", "traceback"),
    [
        (answered(503), "told by a test", False),
        (TimeoutError(), "TimeoutError", False),
        (ValueError("ours"), "ValueError: ours", True),
    ],
)
def test_discords_troubles_are_logged_in_a_sentence_and_our_defects_with_their_traceback(
    caplog: pytest.LogCaptureFixture, error: Exception, said: str, traceback: bool
) -> None:
    tell(logging.getLogger("bot"), error, "job 1 could not be shown")
    (record,) = caplog.records
    assert record.levelno == (logging.ERROR if traceback else logging.WARNING)
    assert "job 1 could not be shown" in caplog.text and said in caplog.text
    assert bool(record.exc_info) is traceback
