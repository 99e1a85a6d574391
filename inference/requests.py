"""What the inference server is asked and what it answers: JSON lines, no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

MAX_PROMPT = 1000


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DrawRequest(_Message):
    """Draw `count` pictures of one prompt (lesson steps 9 and 10, with its defaults).

    Picture i uses seed `seed + i`, so any single one can be drawn again alone.
    """

    type: Literal["draw"] = "draw"
    id: str
    model: str
    """Alias (see `inference.bases`), Hub id or folder in diffusers layout."""
    prompt: str = Field(min_length=1, max_length=MAX_PROMPT)
    negative: str = Field(default="", max_length=MAX_PROMPT)
    count: int = Field(default=4, ge=1, le=16)
    steps: int = Field(default=50, ge=1, le=200)
    guidance: float = Field(default=7.5, ge=0, le=50)
    seed: int = Field(ge=0, lt=2**32)
    width: int | None = Field(default=None, ge=64, le=2048)
    """Pixels; None takes the model's own size."""
    height: int | None = Field(default=None, ge=64, le=2048)
    out: str
    """Folder that receives `0.png`, `1.png` and so on."""


class CancelRequest(_Message):
    """Stop the request with this id at its next step; it ends with `failed`, code `cancelled`."""

    type: Literal["cancel"] = "cancel"
    id: str


class Ready(_Message):
    """The server's first line."""

    type: Literal["ready"] = "ready"
    device: str
    memory_gib: float
    """Free memory of the GPU, or of the machine where there is none."""


class DrawProgress(_Message):
    type: Literal["progress"] = "progress"
    id: str
    step: int
    steps: int


class Picture(_Message):
    """One picture is on disk, with its parameters in the PNG's `parameters` text chunk."""

    type: Literal["picture"] = "picture"
    id: str
    index: int
    path: str
    seed: int
    width: int
    height: int


class DrawDone(_Message):
    type: Literal["done"] = "done"
    id: str
    seconds: float


class DrawFailed(_Message):
    """`code` is stable, for translation; `message` is one English sentence."""

    type: Literal["failed"] = "failed"
    id: str
    code: str
    message: str


DrawCommand = Annotated[DrawRequest | CancelRequest, Field(discriminator="type")]
DrawEvent = Annotated[DrawProgress | Picture | DrawDone | DrawFailed, Field(discriminator="type")]
ServerLine = Annotated[Ready | DrawProgress | Picture | DrawDone | DrawFailed, Field(discriminator="type")]

_command: TypeAdapter[DrawCommand] = TypeAdapter(DrawCommand)
_line: TypeAdapter[ServerLine] = TypeAdapter(ServerLine)


def parse_command(line: str | bytes) -> DrawCommand:
    """Read one line of the server's stdin. Raises pydantic.ValidationError when it is no command."""
    return _command.validate_json(line)


def parse_line(line: str | bytes) -> ServerLine:
    """Read one line of the server's stdout. Raises pydantic.ValidationError when it is none."""
    return _line.validate_json(line)
