"""What a training job says while it runs: one JSON object a line on stdout, no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from trainer.spec import Method

Phase = Literal["load", "class_images", "cache", "train", "save", "samples"]


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Started(_Event):
    """The job's process is up and has read its spec."""

    type: Literal["started"] = "started"
    steps: int
    device: str
    resumed_step: int = 0
    """Step of the checkpoint this run goes on from; 0 is a fresh start."""


class Plan(_Event):
    """How the job will use the device's memory, said before training starts."""

    type: Literal["plan"] = "plan"
    name: str
    """Name of the plan in `trainer.memory`, or `cpu`."""
    method: Method
    precision: Literal["fp32", "bf16", "fp16"]
    optimizer: Literal["adamw", "adamw8bit"]
    gradient_checkpointing: bool
    needed_gib: float
    """Estimate of the memory that it takes."""
    free_gib: float | None = None
    """Free memory of the GPU; None where there is none."""
    notes: tuple[str, ...] = ()
    """English sentences: what was wished for and can't be, and why."""


class PhaseProgress(_Event):
    """How far a phase other than `train` has come (`done` of `total`)."""

    type: Literal["phase"] = "phase"
    phase: Phase
    done: int
    total: int


class Progress(_Event):
    """One report from inside the training loop."""

    type: Literal["progress"] = "progress"
    step: int
    steps: int
    loss: float
    """Mean loss since the last report."""
    step_seconds: float
    seconds_left: float


class Checkpoint(_Event):
    """A checkpoint is on disk: a kill from now on costs only what comes after it."""

    type: Literal["checkpoint"] = "checkpoint"
    step: int


class Preview(_Event):
    """A picture of the same prompt and seed as ever, drawn while training, is on disk."""

    type: Literal["preview"] = "preview"
    step: int
    path: str
    likeness: float | None = None
    """How much it looks like the photos, -1 to 1, by `trainer.likeness`."""


class Strip(_Event):
    """The previews so far, before to done in a row, are one picture (drawn anew each time)."""

    type: Literal["strip"] = "strip"
    path: str


class LossPlot(_Event):
    """The loss so far is a picture (drawn anew each time)."""

    type: Literal["loss_plot"] = "loss_plot"
    path: str


class Sample(_Event):
    """A sample picture is on disk."""

    type: Literal["sample"] = "sample"
    index: int
    path: str
    prompt: str
    seed: int


class Done(_Event):
    """Model and samples are on disk, complete and under their final names."""

    type: Literal["done"] = "done"
    model: str
    samples: tuple[str, ...]
    steps: int
    seconds: float
    step_seconds: float
    peak_memory_gib: float
    """Peak memory of the GPU, or of the process where there is none."""
    method: Method = "full"
    """As trained: the memory plan may have chosen `lora`."""
    stopped_early: bool = False
    """Whether the likeness no longer rose before the last step."""


class Cancelled(_Event):
    """Stopped from outside (SIGTERM, or the starter went away); in training after writing a checkpoint."""

    type: Literal["cancelled"] = "cancelled"
    step: int
    """Step of that checkpoint; 0 where it came before the training or after it."""


class Failed(_Event):
    """The job can't go on. `code` is stable, for translation; `message` is one English sentence."""

    type: Literal["failed"] = "failed"
    code: str
    message: str


TrainEvent = Annotated[
    Started
    | Plan
    | PhaseProgress
    | Progress
    | Checkpoint
    | Preview
    | Strip
    | LossPlot
    | Sample
    | Done
    | Cancelled
    | Failed,
    Field(discriminator="type"),
]
_adapter: TypeAdapter[TrainEvent] = TypeAdapter(TrainEvent)


def parse_event(line: str | bytes) -> TrainEvent:
    """Read one line of a trainer's stdout. Raises pydantic.ValidationError when it is no event."""
    return _adapter.validate_json(line)
