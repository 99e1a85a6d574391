"""Messages that were posted with an enforced nonce: posting one again gives the message that exists."""

from __future__ import annotations

from typing import Any

from simcord.backend import Backend, serializers


class Nonces:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._posted: dict[tuple[int, str], int] = {}

    def forget(self) -> None:
        """The few minutes are over for which Discord remembers nonces."""
        self._posted.clear()

    def existing(self, channel_id: int, body: dict[str, Any]) -> dict[str, Any] | None:
        """The message that was posted with this nonce, where the body wants it unique."""
        if not body.get("enforce_nonce") or "nonce" not in body:
            return None
        message_id = self._posted.get((channel_id, str(body["nonce"])))
        message = self._backend.messages.get(channel_id, {}).get(message_id or 0)
        return None if message is None else dict(serializers.message_payload(self._backend, message))

    def remember(self, channel_id: int, body: dict[str, Any], message: dict[str, Any]) -> None:
        if "nonce" in body:
            self._posted[channel_id, str(body["nonce"])] = int(message["id"])
