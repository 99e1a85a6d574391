"""What a training would find out too late, for its own or for somebody's files: looked at before it writes.

No torch.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

from data.disk import check_writable, is_free
from data.errors import CodedError
from inference.bases import locate, locate_vae
from inference.prompt_length import unread
from trainer.errors import TrainError
from trainer.job import MARKS, JobFolder
from trainer.spec import TrainSpec, sample_prompts

_log = logging.getLogger("trainer")


def check_out(folder: JobFolder, photos: Iterable[Path]) -> None:
    """See that a new job may fill its folder, and that nothing that a person keeps there would go.

    `photos` are the folders that its photos come from. Raises TrainError(bad_job | bad_out).
    """
    root = folder.root
    try:
        if not is_free(root, *MARKS):
            raise TrainError(
                "bad_out",
                f"{root} holds files that no training made: choose a new or an empty folder as --out.",
            )
        check_writable(root)
    except OSError as error:
        raise unwritable("--out", root, error) from error
    if folder.begun:
        raise TrainError("bad_job", f"{root} holds another job; choose another --out.")
    if any(source.resolve().is_relative_to(root.resolve()) for source in photos):
        raise TrainError(
            "bad_out", f"The photos lie inside of {root}, which is cleared: choose another --out."
        )


def check_parts(spec: TrainSpec) -> None:
    """Find the base, the VAE and the pool of class images, which may be fetched from the Hub for it.

    Raises ModelError, TrainError(bad_vae | bad_out).
    """
    locate(spec.base)
    if spec.recipe.vae:
        _check_vae(spec.recipe.vae)
    if spec.class_pool:
        try:
            check_writable(Path(spec.class_pool))
        except OSError as error:
            raise unwritable("--class-pool", Path(spec.class_pool), error) from error
    for prompt in dict.fromkeys(sample_prompts(spec)):
        if end := unread(spec.base, prompt):
            _log.warning("the base reads no more than 75 tokens, so a sample is drawn without %r", end)


def check_room(folder: Path, needed: int) -> None:
    """See that the disk takes the trained model: `needed` bytes. Raises TrainError(disk_full)."""
    if shutil.disk_usage(folder).free < needed:
        raise TrainError(
            "disk_full", f"The disk has too little room: the trained model needs {needed / 2**30:.1f} GiB."
        )


def unwritable(option: str, folder: Path, error: OSError) -> TrainError:
    """What to raise for a folder that can't be written."""
    return TrainError("bad_out", f"{folder} can't be written: {error.strerror}. Choose another {option}.")


def _check_vae(name: str) -> None:
    """That its latents fit is seen once it is loaded."""
    try:
        found = (locate_vae(name) / "config.json").is_file()
    except (CodedError, ValueError) as error:  # the Hub's library raises the latter for what is no name
        raise TrainError("bad_vae", f"No VAE {name!r} can be found on this machine or the Hub.") from error
    if not found:
        raise TrainError("bad_vae", f"{name!r} holds no VAE: config.json is missing.")
