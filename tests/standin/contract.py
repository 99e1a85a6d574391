"""Whether what the bot sends is what Discord's own description of its interface (OpenAPI 3.1) asks for."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

DESCRIPTION = Path(__file__).parents[3] / "shared/discord/openapi.json"

ABSENT = next(
    (
        reason
        for reason, absent in (
            (f"Discord's description is not at {DESCRIPTION}", not DESCRIPTION.exists()),
            ("jsonschema is not installed", find_spec("jsonschema") is None),
        )
        if absent
    ),
    None,
)
"""Why bodies can't be checked here, if so."""


class _Operation(NamedTuple):
    method: str
    segments: list[str]
    pointer: str | None
    """Where the description says what its JSON body looks like; None where it has none."""

    def matches(self, method: str, segments: list[str]) -> bool:
        return (
            method == self.method
            and len(segments) == len(self.segments)
            and all(own in ("{}", other) for own, other in zip(self.segments, segments, strict=True))
        )


class Contract:
    """`broken` has a sentence for each request that is not as described."""

    def __init__(self, path: Path = DESCRIPTION) -> None:
        from referencing import Registry, Resource
        from referencing.jsonschema import DRAFT202012

        described = json.loads(path.read_text(encoding="utf-8"))
        # Discord takes numbers, too: its own examples number the files of a message so.
        described["components"]["schemas"]["SnowflakeType"]["type"] = ["string", "integer"]
        resource = Resource.from_contents(described, default_specification=DRAFT202012)
        self._registry: Any = Registry().with_resource("urn:discord", resource)
        self._operations = sorted(_operations(described), key=lambda one: one.segments.count("{}"))
        self._validators: dict[str, Any] = {}
        self.broken: list[str] = []

    def check(self, method: str, path: str, body: object) -> None:
        """Note what is wrong with a request."""
        segments = path.strip("/").split("/")
        operation = next((one for one in self._operations if one.matches(method, segments)), None)
        wrong = "is not described" if operation is None else self._wrong(operation, body)
        if wrong is not None:
            self.broken.append(f"{method} {path} {wrong}")

    def _wrong(self, operation: _Operation, body: object) -> str | None:
        if operation.pointer is None:
            return None if body is None else "has a body, and none is described"
        error = next(self._validator(operation.pointer).iter_errors(body), None)
        if error is None:
            return None
        told = _cause(error)
        return f"at {told.json_path}: {told.message[:300]}"

    def _validator(self, pointer: str) -> Any:
        from jsonschema import Draft202012Validator

        if pointer not in self._validators:
            schema = {"$ref": f"urn:discord#{pointer}"}
            self._validators[pointer] = Draft202012Validator(schema, registry=self._registry)
        return self._validators[pointer]


def _cause(error: Any) -> Any:
    """The error inside: of several things that a part may be, that which it says itself to be counts."""
    if not error.context:
        return error
    kinds: dict[int, list[Any]] = {}
    for inner in error.context:
        kinds.setdefault(inner.schema_path[0], []).append(inner)
    likely = min(kinds.values(), key=lambda inners: any([*one.path] == ["type"] for one in inners))
    return _cause(likely[0])


def _operations(described: dict[str, Any]) -> list[_Operation]:
    found = []
    for path, methods in described["paths"].items():
        segments = ["{}" if part.startswith("{") else part for part in path.strip("/").split("/")]
        for method in methods.keys() & {"get", "put", "post", "patch", "delete"}:
            content = methods[method].get("requestBody", {}).get("content", {})
            # With files the same body comes as a part of a form.
            kind = next((one for one in ("application/json", "multipart/form-data") if one in content), None)
            parts = ("paths", path, method, "requestBody", "content", kind, "schema")
            pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts if part)
            found.append(_Operation(method.upper(), segments, pointer if kind else None))
    return found
