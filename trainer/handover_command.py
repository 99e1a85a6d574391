"""`python -m trainer export | import | publish`: what is done with a model; events go to stdout."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

from data.cores import share_cores
from data.disk import check_writable, typed_path
from data.errors import CodedError, is_disk_full
from data.imports import heavy_imports
from data.pipes import EventWriter, on_starter_gone
from inference.errors import ModelError
from trainer.events import Failed

COMMANDS = ("export", "import", "publish")
_log = logging.getLogger("trainer")

Emit = Callable[[BaseModel], None]


def main(words: list[str]) -> int:
    """Exit status: 0 done, 1 failed, 2 asked wrongly, 3 stopped."""
    arguments = _parser().parse_args(words)
    emit = EventWriter()
    # As an exception it runs through the code that clears away what is half-written.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    arguments.token = _line_of_stdin() if arguments.command == "publish" and arguments.token_stdin else ""
    if arguments.supervised:
        emit.beat()
        on_starter_gone(lambda: os.kill(os.getpid(), signal.SIGTERM))
    share_cores()
    try:
        arguments.run(arguments, emit)
    except CodedError as error:
        emit(Failed(code=error.code, message=error.message))
        return 1
    except KeyboardInterrupt:
        return 3
    except Exception as error:
        if is_disk_full(error):
            emit(Failed(code="disk_full", message="The disk is full; free some space and start again."))
        else:
            # Only the kind of error: its text, from the Hub's library, may quote signed addresses.
            _log.error(
                "%s failed", arguments.command, exc_info=error if arguments.command != "publish" else None
            )
            emit(Failed(code="internal", message="It failed for a reason that is in the log."))
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    export = commands.add_parser("export", help="write a model as one file in the original format")
    export.add_argument("model", metavar="MODEL", help="folder of a trained model, or a base")
    export.add_argument("--format", required=True, choices=("safetensors", "ckpt", "lora"))
    export.add_argument("--half", action="store_true", help="in half precision: half the size")
    export.add_argument("--out", type=typed_path, required=True, metavar="FILE", help="a new file")
    export.set_defaults(run=_export)
    back = commands.add_parser(
        "import", help="turn a file of any tool into a folder that can be trained and drawn with"
    )
    back.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="a whole model or a LoRA: .safetensors, .ckpt, ...; or a folder",
    )
    back.add_argument("--base", required=True, help="base of the same architecture")
    back.add_argument("--out", type=typed_path, required=True, metavar="FOLDER", help="a new folder")
    back.set_defaults(run=_import)
    publish = commands.add_parser("publish", help="put a model on the Hugging Face Hub")
    publish.add_argument("model", type=Path, metavar="MODEL", help="folder of a trained model")
    publish.add_argument(
        "--repo", required=True, metavar="USER/NAME", help="or its address, or NAME in your own account"
    )
    publish.add_argument("--public", action="store_true", help="for everybody to see; private otherwise")
    publish.add_argument(
        "--no-single-file",
        action="store_true",
        help="leave out the model as one file: other programs take that, endpoints download it for nothing",
    )
    publish.add_argument(
        "--facts", type=Path, help="JSON that describes the model; else its job's folder does"
    )
    publish.add_argument(
        "--stage", type=_own_stage, help="folder for what is made on the way; default: beside MODEL"
    )
    publish.add_argument(
        "--token-stdin",
        action="store_true",
        help="read the token from the first line of stdin; else it is HF_TOKEN or that of `hf auth login`",
    )
    publish.set_defaults(run=_publish)
    for command in (export, back, publish):
        command.add_argument("--supervised", action="store_true", help="stop when stdin ends")
    return parser


def _own_stage(text: str) -> Path:
    """A folder inside of the one that was named: it is removed in the end."""
    return typed_path(text) / ".publish"


def _line_of_stdin() -> str:
    """The first line, and not a byte of what comes after it."""
    line = b""
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return line.decode().strip()


def _check_new(out: Path) -> None:
    """See that what is to be made can be, and takes the place of nothing. Raises ModelError(bad_out)."""
    if out.exists() or out.is_symlink():
        raise ModelError("bad_out", f"{out} exists already: remove it, or choose another --out.")
    try:
        check_writable(out.parent)
    except OSError as error:
        raise ModelError("bad_out", f"{out} can't be written: {error.strerror}.") from error


# torch takes seconds to import: wrong arguments needn't wait for it.


def _export(arguments: argparse.Namespace, emit: Emit) -> None:
    _check_new(arguments.out)
    with heavy_imports():
        from trainer.export import export

    emit(export(arguments.model, arguments.format, arguments.out, half=arguments.half, emit=emit))


def _import(arguments: argparse.Namespace, emit: Emit) -> None:
    _check_new(arguments.out)
    with heavy_imports():
        from trainer.importing import import_file

    emit(import_file(arguments.file, arguments.base, arguments.out, emit=emit))


def _publish(arguments: argparse.Namespace, emit: Emit) -> None:
    # Read by huggingface_hub when anything imports it. Only the real Hub speaks xet; others get plain HTTP.
    if not os.environ.get("HF_ENDPOINT", "https://huggingface.co").startswith("https://huggingface.co"):
        os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from trainer.publish import publish

    emit(
        publish(
            arguments.model,
            arguments.repo,
            arguments.facts,
            token=arguments.token,
            public=arguments.public,
            single_file=not arguments.no_single_file,
            stage=arguments.stage,
            emit=emit,
        )
    )
