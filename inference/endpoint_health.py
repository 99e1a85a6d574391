"""A circuit breaker: an endpoint that keeps failing is left alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable

FAILURES = 3
REST_SECONDS = 60.0


class Breaker:
    """Opens after several failures in a row; then one try at a time finds out whether it works again."""

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
        self._until = self._clock() + self._rest
