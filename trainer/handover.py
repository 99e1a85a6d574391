"""What an export or a publication says while it runs: one JSON object a line on stdout, no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from trainer.events import Failed

Format = Literal["safetensors", "ckpt", "lora"]
Stage = Literal["check", "write", "upload", "commit"]


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Moved(_Event):
    """How far a stage has come: bytes, `done` of `total`."""

    type: Literal["moved"] = "moved"
    stage: Stage
    done: int
    total: int


class Exported(_Event):
    """The file is on disk, complete and under its final name."""

    type: Literal["exported"] = "exported"
    path: str
    size_bytes: int


class MadePrivate(_Event):
    """A repository that everybody could see is its owner's alone from now on, also if what follows fails."""

    type: Literal["made_private"] = "made_private"
    repo: str


class Published(_Event):
    """The commit is on the Hub."""

    type: Literal["published"] = "published"
    repo: str
    url: str
    visibility: Literal["private", "public"]
    commit: str
    changed: bool
    """False when everything was there already, so that nothing was committed."""
    others: tuple[str, ...] = ()
    """Files that are there too and no publication wrote: left alone."""


HandoverEvent = Annotated[Moved | Exported | MadePrivate | Published | Failed, Field(discriminator="type")]
_adapter: TypeAdapter[HandoverEvent] = TypeAdapter(HandoverEvent)


def parse_handover(line: str | bytes) -> HandoverEvent:
    """Read one line of `python -m trainer export` or `publish`. Raises pydantic.ValidationError."""
    return _adapter.validate_json(line)
