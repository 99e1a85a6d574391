"""A job's folder: all that a training run reads and writes, so that it can be killed and go on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError

from data.disk import locked, replacing, sync_folder
from trainer.errors import Stopped, TrainError
from trainer.events import Plan, TrainEvent, parse_event
from trainer.spec import Method, TrainSpec

MARKS = ("job.json", "job.json.incoming")
"""Files by which a folder is known as a job's, whole or about to be filled."""


class Trained(BaseModel):
    """How training ended, for the process that draws the samples."""

    model_config = ConfigDict(frozen=True)

    steps: int
    step_seconds: float
    method: Method
    stopped_early: bool


class JobFolder:
    """The layout of a job: what was asked, what is kept while it runs, and what comes out.

    `job.json`, `photos/`; `plan.json`, `checkpoint.pt`, `trained.json`; `model/`, `samples/`, `previews/`,
    `strip.png`, `loss.png`, `result.jsonl`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.spec_file = root / "job.json"
        self.checkpoint = root / "checkpoint.pt"
        self.model = root / "model"
        self.samples = root / "samples"
        self.class_images = root / "class_images"
        self.previews = root / "previews"
        self.strip = root / "strip.png"
        self.loss_plot = root / "loss.png"
        self._photos = root / "photos"
        self._plan = root / "plan.json"
        self._trained = root / "trained.json"
        self._result = root / "result.jsonl"

    def spec(self) -> TrainSpec:
        """Read `job.json`. Raises TrainError(bad_job)."""
        try:
            return TrainSpec.model_validate_json(self.spec_file.read_bytes())
        except OSError as error:
            raise TrainError("bad_job", f"{self.root} holds no job.json.") from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise TrainError("bad_job", f"job.json is not valid: {place}: {first['msg']}.") from error

    def path(self, relative: str) -> Path:
        """A path of the spec: relative ones start at the job's folder."""
        return self.root / relative

    def plan(self) -> Plan | None:
        """The plan that the checkpoint was made with: another one couldn't go on from it."""
        if not self.checkpoint.exists() or not self._plan.exists():
            return None
        return Plan.model_validate_json(self._plan.read_bytes())

    def keep_plan(self, plan: Plan) -> None:
        with replacing(self._plan) as file:
            file.write(plan.model_dump_json().encode())

    def trained(self) -> Trained | None:
        """What `keep_trained` wrote, once the model is there too."""
        if not self.model.exists() or not self._trained.exists():
            return None
        return Trained.model_validate_json(self._trained.read_bytes())

    def keep_trained(self, trained: Trained) -> None:
        """To be called before the model takes its name."""
        with replacing(self._trained) as file:
            file.write(trained.model_dump_json().encode())

    def finish(self, events: Sequence[TrainEvent]) -> None:
        """Record the outcome. From here on the job is complete; a later run only tells it again."""
        with replacing(self._result) as file:
            file.writelines(event.model_dump_json().encode() + b"\n" for event in events)

    @property
    def begun(self) -> bool:
        """Whether work is kept here that would be lost with the folder."""
        return any(kept.exists() for kept in (self.checkpoint, self.model, self._result))

    def clear(self) -> None:
        """Remove what a job that was not `begun` has written; other files stay."""
        for folder in (self._photos, self.class_images, self.previews, self.samples):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self._plan, self._trained, self.strip, self.loss_plot, *map(self.root.joinpath, MARKS)):
            file.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what only a running job needs."""
        for file in (self.checkpoint, self._plan, self._trained):
            file.unlink(missing_ok=True)

    def outcome(self) -> list[TrainEvent] | None:
        """The events given to `finish`, or None while the job isn't complete."""
        if not self._result.exists():
            return None
        return [parse_event(line) for line in self._result.read_bytes().splitlines()]

    def locked(self, stop: Callable[[], bool]) -> AbstractContextManager[None]:
        """Hold the job alone. A former process that is still writing its checkpoint is waited for."""

        def check_stop() -> None:
            if stop():
                raise Stopped

        return locked(self.root / ".lock", check_stop)


def write_job(root: Path, spec: TrainSpec, photos: Mapping[str, Sequence[Image.Image]]) -> None:
    """Fill a new job folder: `photos` maps each concept's folder (relative to the job) to its crops.

    One of `MARKS` is there from the first moment; `job.json` takes its name last, so that a folder that has
    one is complete. Raises OSError: the disk is full, or a concept's folder exists already.
    """
    root.mkdir(parents=True, exist_ok=True)
    with replacing(root / "job.json") as file:
        file.write(spec.model_dump_json(indent=2).encode())
        for folder, images in photos.items():
            (root / folder).mkdir(parents=True)
            for number, image in enumerate(images):
                image.save(root / folder / f"{number:02}.png")
            sync_folder(root / folder)
