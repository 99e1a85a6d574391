"""Every picture that the bot shows is described, for whoever can't see it."""

from __future__ import annotations

import ast
from pathlib import Path

import bot

SOURCES = sorted(Path(bot.__file__).parent.rglob("*.py"))


def test_every_picture_has_a_description() -> None:
    shown, bare = 0, []
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            words = {keyword.arg for keyword in node.keywords}
            if "media" in words or "Thumbnail" in ast.unparse(node.func):
                shown += 1
                bare += [] if "description" in words else [f"{source.name}:{node.lineno}"]
    assert shown >= 10
    assert bare == []
