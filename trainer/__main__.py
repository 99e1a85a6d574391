"""`python -m trainer train` for a person, `python -m trainer JOB` for a job's folder; events go to stdout."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from pydantic import ValidationError

from data.cores import share_cores
from data.errors import CodedError
from data.pipes import EventWriter, on_starter_gone
from inference.bases import resolve
from trainer.errors import TrainError
from trainer.events import Failed
from trainer.job import JobFolder, write_job
from trainer.names import check_name, is_common_word
from trainer.photos import check_count, read_folder
from trainer.presets import recipe_for
from trainer.spec import Concept, TrainSpec

_log = logging.getLogger("trainer")


def _train_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainer train", description="Learn a person from photos and draw four samples."
    )
    parser.add_argument("--photos", type=Path, required=True, help="folder of 3 to 20 photos")
    parser.add_argument(
        "--name", required=True, help="2-16 letters and digits that mean nothing, like abraza"
    )
    parser.add_argument("--class", dest="class_name", default="person")
    parser.add_argument("--base", default="mini", help="mini, sd15, sd21-base, sd21, a Hub id or a folder")
    parser.add_argument("--out", type=Path, required=True, help="receives model/, samples/ and job.json")
    parser.add_argument("--steps", type=int, help="default: the base's preset")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--class-images", type=int, help="0 switches prior preservation off")
    parser.add_argument("--class-image-steps", type=int)
    parser.add_argument("--sample-prompt")
    parser.add_argument("--sample-steps", type=int)
    parser.add_argument("--seed", type=int)
    return parser


_RECIPE_OPTIONS = (
    "steps", "learning_rate", "class_images", "class_image_steps", "sample_prompt", "sample_steps", "seed",
)  # fmt: skip


def _create(arguments: argparse.Namespace) -> Path:
    """Make the job folder, or go on with the one that is there when it asks the same."""
    check_name(arguments.name)
    base = resolve(arguments.base)
    if is_common_word(arguments.name, Path(base.source) / "tokenizer"):
        _log.warning("%r means something already; an invented word learns better", arguments.name)
    changes = {key: value for key in _RECIPE_OPTIONS if (value := getattr(arguments, key)) is not None}
    recipe = recipe_for(arguments.base)
    recipe = type(recipe).model_validate({**recipe.model_dump(), **changes})
    concept = Concept(name=arguments.name, class_name=arguments.class_name, photos=f"photos/{arguments.name}")
    spec = TrainSpec(base=arguments.base, concepts=(concept,), recipe=recipe)
    folder = JobFolder(arguments.out)
    if folder.spec_file.exists():
        if folder.spec() != spec:
            raise TrainError("bad_job", f"{arguments.out} holds another job; choose another --out.")
        _log.info("going on with the job in %s, and with the photos that it took", arguments.out)
        return arguments.out
    report = read_folder(arguments.photos, base.resolution)
    for rejected in report.rejected:
        _log.warning("left out: %s", rejected.message)
    check_count(len(report.accepted))
    write_job(arguments.out, spec, {concept.photos: [photo.image for photo in report.accepted]})
    return arguments.out


def main(words: list[str]) -> int:
    """Exit status: 0 done, 1 failed, 2 asked wrongly, 3 stopped after a checkpoint."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    emit = EventWriter()
    try:
        if words[:1] == ["train"]:
            job = _create(_train_parser().parse_args(words[1:]))
        else:
            parser = argparse.ArgumentParser(prog="python -m trainer", description=__doc__)
            parser.add_argument("job", type=Path, metavar="JOB", help="folder with job.json")
            parser.add_argument("--supervised", action="store_true", help="stop when stdin ends")
            arguments = parser.parse_args(words)
            job = arguments.job
            if arguments.supervised:
                on_starter_gone(stop.set)
        share_cores()
        from trainer.run import run_job  # torch takes seconds to import: wrong arguments needn't wait for it

        done = run_job(job, emit, stop.is_set)
    except ValidationError as error:
        first = error.errors()[0]
        emit(Failed(code="bad_job", message=f"{first['loc'][-1]}: {first['msg']}"))
        return 2
    except CodedError as error:
        emit(Failed(code=error.code, message=error.message))
        return 1
    except Exception:
        _log.exception("the job failed")
        emit(Failed(code="internal", message="Training failed for a reason that is in the job's log."))
        return 1
    if done:
        return 0
    return 3 if stop.is_set() else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
