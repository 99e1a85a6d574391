"""What is remembered of an endpoint: who has its turn, and whether it keeps failing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

FAILURES = 3
REST_SECONDS = 60.0
AT_ONCE = 1
"""Pictures that an endpoint draws at once: the container draws one, and the endpoints that are deployed from
here have one container. More calls would wait in there, and their time would run."""


class Breaker:
    """A circuit breaker.

    It opens after several failures in a row; then one try at a time finds out whether it works again.
    """

    def __init__(
        self,
        failures: int = FAILURES,
        rest: float = REST_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = failures
        self._rest = rest
        self._clock = clock
        self._failures = 0
        self._until = 0.0
        self.total = 0
        """All failures so far: whoever waited sees by it whether there were any meanwhile."""

    @property
    def resting(self) -> bool:
        """Whether calls should not even be tried now."""
        return self._failures >= self._most and self._clock() < self._until

    def enter(self) -> bool:
        """Whether a call may be made. After the rest the first one may, and shows how it is."""
        if self.resting:
            return False
        if self._failures >= self._most:
            self._until = self._clock() + self._rest
        return True

    def worked(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        self.total += 1
        self._until = self._clock() + self._rest


@dataclass(slots=True)
class Known:
    """One endpoint, as all who draw with it share it."""

    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    """First come, first served."""
    breaker: Breaker = field(default_factory=Breaker)
