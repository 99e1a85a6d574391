"""What a drawing job keeps of what was asked."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict

from data.jobs import Job, JobKind
from data.settings import Backend, Size
from inference.requests import DrawRequest

_ASKED = {
    *("prompt", "negative", "count", "steps", "guidance", "seed", "width", "height", "strength"),
    *("base", "check_safety"),
}
"""Fields of a payload that the engine's request has as well."""


class DrawPayload(BaseModel):
    """What a drawing job keeps: a `DrawRequest` whose folders are not known yet."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    prompt: str
    negative: str = ""
    count: int = 4
    steps: int = 50
    guidance: float = 7.5
    seed: int
    width: int | None = None
    height: int | None = None
    size: Size = "square"
    """What `width` and `height` were asked as."""
    base: str
    model_id: int | None = None
    """A person's model; None draws with `base` itself."""
    base_asked: bool = False
    """Whether the person asked for the base by name, and not only for lack of a model."""
    subject: str = ""
    """The trigger phrase as the prompt says it; another person's takes its place in *Try it on me*."""
    style: str | None = None
    """Name of the style that the prompt was put into."""
    backend: Backend = "auto"
    check_safety: bool = True
    """Whether the base's safety checker hides what it flags."""
    private: bool = False
    """Shown to the person alone, in a direct message."""
    parent: int | None = None
    """The job that this one repeats or changes."""
    init: int | None = None
    """Id of the picture to start from; None starts from noise."""
    strength: float = 0.6
    """How far to go from `init`, see `DrawRequest.strength`."""

    @classmethod
    def of(cls, job: Job) -> Self:
        """Read the payload of a drawing job."""
        return cls.model_validate_json(job.payload)

    def request(
        self, request_id: str, model: str, out: str, init: str | None = None, title: str = ""
    ) -> DrawRequest:
        """What the engine is asked; `init` is the path of the picture to start from.

        Raises pydantic.ValidationError when a value is out of range.
        """
        values = self.model_dump(include=_ASKED)
        return DrawRequest(
            id=request_id, model=model, title=title, out=out, init=init, previews=True, **values
        )


def is_private(job: Job) -> bool:
    """Whether only the person who asked for a job may see it: some drawings are, and no training is."""
    return job.kind is JobKind.draw and DrawPayload.of(job).private
