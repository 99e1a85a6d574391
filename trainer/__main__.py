"""`python -m trainer train` for a person, `python -m trainer JOB` for a job's folder; events go to stdout.

`python -m trainer export | import` handle what was trained.
"""

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
from data.imports import heavy_imports
from data.pipes import EventWriter, on_starter_gone
from trainer.events import Failed
from trainer.handover_command import COMMANDS
from trainer.handover_command import main as hand_over

_log = logging.getLogger("trainer")


def main(words: list[str]) -> int:
    """Exit status: 0 done, 1 failed, 2 asked wrongly, 3 stopped after a checkpoint."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    if words[:1] and words[0] in COMMANDS:
        return hand_over(words)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    emit = EventWriter()
    try:
        if words[:1] == ["train"]:
            # Not for the others: what it imports reads the environment that a publication sets first.
            from trainer.train_command import create_job, train_parser

            done = _run(create_job(train_parser().parse_args(words[1:])), emit, stop)
        else:
            parser = argparse.ArgumentParser(prog="python -m trainer", description=__doc__)
            work = parser.add_mutually_exclusive_group(required=True)
            work.add_argument("job", type=Path, nargs="?", metavar="JOB", help="folder with job.json")
            work.add_argument(
                "--standby", metavar="BASE", help="load all and BASE, then run the job named on stdin"
            )
            parser.add_argument("--supervised", action="store_true", help="stop when stdin ends")
            arguments = parser.parse_args(words)
            if arguments.standby or arguments.supervised:
                emit.beat()
            if arguments.standby:
                done = _stand_by(arguments.standby, emit, stop)
            else:
                if arguments.supervised:
                    on_starter_gone(stop.set)
                done = _run(arguments.job, emit, stop)
    except ValidationError as error:
        first = error.errors()[0]
        emit(Failed(code="bad_job", message=": ".join([*map(str, first["loc"][-1:]), first["msg"]])))
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


def _run(job: Path, emit: EventWriter, stop: threading.Event) -> bool:
    share_cores()
    with heavy_imports():  # they take seconds: wrong arguments needn't wait for them
        from trainer.run import run_job

    return run_job(job, emit, stop.is_set)


def _stand_by(base: str, emit: EventWriter, stop: threading.Event) -> bool:
    share_cores()
    with heavy_imports():
        from trainer.run import run_job
        from trainer.standby import Prepared, next_job

    prepared = Prepared(base)
    job = next_job()
    if job is None:
        return True
    on_starter_gone(stop.set)
    return run_job(job, emit, stop.is_set, prepared.load)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
