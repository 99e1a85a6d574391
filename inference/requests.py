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
    title: str = ""
    """What people call the model; empty where `model` says it, or where nobody knows."""
    prompt: str = Field(min_length=1, max_length=MAX_PROMPT)
    negative: str = Field(default="", max_length=MAX_PROMPT)
    count: int = Field(default=4, ge=1, le=16)
    steps: int = Field(default=50, ge=1, le=200)
    guidance: float = Field(default=7.5, ge=0, le=50)
    seed: int = Field(ge=0, lt=2**32)
    width: int | None = Field(default=None, ge=64, le=2048)
    """Pixels; None takes the model's own size."""
    height: int | None = Field(default=None, ge=64, le=2048)
    init: str | None = None
    """A picture to start from, resized to width and height; None starts from noise."""
    strength: float = Field(default=0.6, gt=0, le=1)
    """How far to go from `init`: that share of the steps is drawn (SDEdit, arXiv:2108.01073)."""
    previews: bool = False
    """Whether `Preview` events tell how far the pictures have come."""
    check_safety: bool = False
    """Blur what the safety checker flags, where `base` or the model itself ships one."""
    base: str | None = None
    """What a full model was trained from, for its safety checker; a LoRA says so itself."""
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
    batch: int = Field(default=0, ge=0)
    """Pictures that are drawn at once for requests that ask alike; 0: each request is drawn alone."""


class DrawProgress(_Message):
    type: Literal["progress"] = "progress"
    id: str
    step: int
    steps: int


class Preview(_Message):
    """A small JPEG of all the request's pictures as they are now. It is gone once they are drawn."""

    type: Literal["preview"] = "preview"
    id: str
    path: str


class DrawWaiting(_Message):
    """Nothing can be drawn yet: `reason` is `starting`, `busy` or `unreachable`, `seconds` how long that has
    lasted.
    """

    type: Literal["waiting"] = "waiting"
    id: str
    seconds: float
    reason: str


class Picture(_Message):
    """One picture is on disk, with its parameters in the PNG's `parameters` text chunk."""

    type: Literal["picture"] = "picture"
    id: str
    index: int
    path: str
    seed: int
    width: int
    height: int
    flagged: bool = False
    """The safety checker flagged it; what is on disk is a heavy blur."""


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
DrawEvent = Annotated[
    DrawProgress | DrawWaiting | Preview | Picture | DrawDone | DrawFailed, Field(discriminator="type")
]
ServerLine = Annotated[
    Ready | DrawProgress | Preview | Picture | DrawDone | DrawFailed, Field(discriminator="type")
]

_command: TypeAdapter[DrawCommand] = TypeAdapter(DrawCommand)
_line: TypeAdapter[ServerLine] = TypeAdapter(ServerLine)


def parse_command(line: str | bytes) -> DrawCommand:
    """Read one line of the server's stdin. Raises pydantic.ValidationError when it is no command."""
    return _command.validate_json(line)


def parse_line(line: str | bytes) -> ServerLine:
    """Read one line of the server's stdout. Raises pydantic.ValidationError when it is none."""
    return _line.validate_json(line)
