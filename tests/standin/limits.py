"""Discord's rate limits: buckets of fixed windows by route and channel, and one for everything a second."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Limit(NamedTuple):
    """How many requests of a kind a window takes; `major` is what each has a bucket of its own for."""

    name: str
    requests: re.Pattern[str]
    most: int
    seconds: float


LIMITS = (
    Limit("post", re.compile(r"POST /channels/(?P<major>\d+)/messages"), 5, 5),
    Limit("edit", re.compile(r"PATCH /channels/(?P<major>\d+)/messages/\d+"), 5, 5),
    Limit("delete", re.compile(r"DELETE /channels/(?P<major>\d+)/messages/\d+"), 5, 1),
    Limit("webhook", re.compile(r"\w+ /webhooks/\d+/(?P<major>[^/]+)(/messages/[@\w]+)?"), 5, 2),
)
EVERYTHING = Limit("global", re.compile(r"\w+ /(?!interactions/|webhooks/).*"), 50, 1)
"""Answers to interactions don't count towards the bot's own limit."""


@dataclass
class Bucket:
    left: int = 0
    until: float = 0

    def take(self, limit: Limit, seconds: float, now: float) -> bool:
        """Whether one more request fits in; the window begins with its first."""
        if now >= self.until:
            self.left, self.until = limit.most, now + seconds
        if not self.left:
            return False
        self.left -= 1
        return True


class Verdict(NamedTuple):
    headers: dict[str, str]
    retry_after: float | None = None
    """Seconds to wait, where the request is refused."""
    everything: bool = False


class RateLimits:
    """With a `scale` under 1 windows are shorter than Discord's, so that tests needn't wait as long."""

    def __init__(self, scale: float = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._scale = scale
        self._clock = clock
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self.refused = 0
        """Requests that were answered with 429."""

    def judge(self, method: str, path: str) -> Verdict:
        """Count a request, and say what the answer has to tell of limits."""
        asked = f"{method} {path}"
        if EVERYTHING.requests.fullmatch(asked) and not self._taken(EVERYTHING, ""):
            return self._refusal(EVERYTHING, "")
        for limit in LIMITS:
            matched = limit.requests.fullmatch(asked)
            if matched is not None:
                major = matched["major"]
                taken = self._taken(limit, major)
                return Verdict(self._headers(limit, major)) if taken else self._refusal(limit, major)
        return Verdict({})

    def _taken(self, limit: Limit, major: str) -> bool:
        bucket = self._buckets.setdefault((limit.name, major), Bucket())
        return bucket.take(limit, limit.seconds * self._scale, self._clock())

    def _refusal(self, limit: Limit, major: str) -> Verdict:
        self.refused += 1
        headers = self._headers(limit, major)
        wait = float(headers["X-RateLimit-Reset-After"])
        # discord.py takes a 429 without "Via" for a ban by Cloudflare.
        headers |= {"Via": "1.1 stand-in", "Retry-After": f"{wait:.0f}"}
        return Verdict(headers, wait, limit is EVERYTHING)

    def _headers(self, limit: Limit, major: str) -> dict[str, str]:
        bucket = self._buckets[limit.name, major]
        after = max(0.0, bucket.until - self._clock())
        return {
            "X-RateLimit-Bucket": limit.name,
            "X-RateLimit-Limit": str(limit.most),
            "X-RateLimit-Remaining": str(bucket.left),
            "X-RateLimit-Reset": f"{time.time() + after:.3f}",
            "X-RateLimit-Reset-After": f"{after:.3f}",
        }
