"""Whether what the bot sends is what Discord's own description of its interface (OpenAPI 3.1) asks for."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

DESCRIPTION = Path(__file__).parents[3] / "shared/discord/openapi.json"


def absent() -> str | None:
    """Why bodies can't be checked here, if so."""
    if not DESCRIPTION.exists():
        return f"Discord's description is not at {DESCRIPTION}"
    return None if find_spec("jsonschema_rs") else "jsonschema-rs is not installed"


class _Operation(NamedTuple):
    method: str
    segments: list[str]
    """Of its path, with {} for what varies."""
    body: Any
    """The validator of its JSON body; None where it has none."""

    def matches(self, method: str, segments: list[str]) -> bool:
        return (
            method == self.method
            and len(segments) == len(self.segments)
            and all(own in ("{}", other) for own, other in zip(self.segments, segments, strict=True))
        )


def breach(method: str, path: str, body: object) -> str | None:
    """What is wrong with a request, in a sentence; None when it is as described."""
    segments = path.strip("/").split("/")
    operation = next((one for one in _operations() if one.matches(method, segments)), None)
    wrong = "is not described" if operation is None else _wrong(operation, body)
    return None if wrong is None else f"{method} {path} {wrong}"


def _wrong(operation: _Operation, body: object) -> str | None:
    if operation.body is None:
        return None if body is None else "has a body, and none is described"
    error = next(operation.body.iter_errors(body), None)
    if error is None:
        return None
    while inner := _inside(error):
        error = inner
    return f"at {'.'.join(str(step) for step in error.instance_path)}: {error.message[:300]}"


def _inside(error: Any) -> Any:
    """Of several things that a part may be, what is wrong with the one that it says itself to be."""
    options = [option for option in getattr(error.kind, "context", None) or [] if option]
    depth = len(error.instance_path)
    mine = [
        option for option in options if not any([*one.instance_path][depth:] == ["type"] for one in option)
    ]
    return (mine or options)[0][0] if options else None


@cache
def _operations() -> list[_Operation]:
    """All that are described; where two match a path, the one with fewer variables comes first."""
    from jsonschema_rs import Draft202012, Draft202012Validator, Registry

    described = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
    # Discord takes numbers, too: its own examples number the files of a message so.
    described["components"]["schemas"]["SnowflakeType"]["type"] = ["string", "integer"]
    registry = Registry([("urn:discord", described)], draft=Draft202012)
    found = []
    for path, methods in described["paths"].items():
        segments = ["{}" if part.startswith("{") else part for part in path.strip("/").split("/")]
        for method in methods.keys() & {"get", "put", "post", "patch", "delete"}:
            content = methods[method].get("requestBody", {}).get("content", {})
            # With files, the same body comes as a part of a form.
            kind = next((one for one in ("application/json", "multipart/form-data") if one in content), None)
            body = None
            if kind is not None:
                steps = ("paths", path, method, "requestBody", "content", kind, "schema")
                pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
                reference = "urn:discord#" + quote(pointer, safe="/~")
                body = Draft202012Validator({"$ref": reference}, registry=registry)
            found.append(_Operation(method.upper(), segments, body))
    return sorted(found, key=lambda one: one.segments.count("{}"))
