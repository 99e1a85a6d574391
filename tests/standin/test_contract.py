"""Discord's description of its interface, as bodies are held against it."""

from __future__ import annotations

import pytest

from tests.standin.contract import absent, breach

pytestmark = pytest.mark.skipif(absent() is not None, reason=str(absent()))

CALLBACK = "/interactions/1/token/callback"
BUTTON = {"type": 2, "style": 1, "label": "Again", "custom_id": "again:1:0"}


def message(button: dict[str, object], **others: object) -> dict[str, object]:
    row = {"type": 1, "components": [button]}
    return {"flags": 1 << 15, "components": [{"type": 17, "components": [row]}], **others}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/channels/1/messages", message(BUTTON, nonce="n" * 25, enforce_nonce=True)),
        ("PATCH", "/channels/1/messages/2", message(BUTTON, attachments=[{"id": 0, "filename": "a.png"}])),
        ("PATCH", "/webhooks/1/token/messages/@original", message(BUTTON)),
        ("POST", CALLBACK, {"type": 5, "data": {"flags": 64}}),
        ("DELETE", "/channels/1/messages/2", None),
    ],
)
def test_what_is_described_passes(method: str, path: str, body: object) -> None:
    assert breach(method, path, body) is None


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "/channels/1/messages", message({**BUTTON, "label": "x" * 81}), "label"),
        ("POST", "/channels/1/messages", message(BUTTON, nonce="n" * 26), "nonce"),
        (
            "POST",
            "/interactions/1/token/callback",
            {"type": 4, "data": message({**BUTTON, "style": 9})},
            "style",
        ),
        ("POST", "/interactions/1/token/callback", {"type": 9, "data": {"custom_id": "1"}}, "title"),
        ("POST", "/channels/1/cards", message(BUTTON), "is not described"),
        ("DELETE", "/channels/1/messages/2", {"reason": "none"}, "has a body"),
    ],
)
def test_what_is_not_is_said(method: str, path: str, body: object, said: str) -> None:
    wrong = breach(method, path, body)
    assert wrong is not None and said in wrong
