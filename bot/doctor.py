"""Looks at the machine before a person has to: what is there, what is missing and what to do about it."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from bot.config import Config
from bot.gpu.base import Gpu
from data.database import BadDatabase
from data.database import examine as examine_database
from data.disk import nearest
from data.errors import CodedError
from data.files import DATABASE, SECRET_KEY, DatabaseMissing, check_database
from data.secrets import BadKey, read_keys
from inference.bases import look_up

_OLDEST_PYTHON = (3, 11)
_NEEDED_GIB = 5.0
"""One training of Stable Diffusion 1.5 with its checkpoint and its result takes about so much more."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, whether it is as it should be, and what was found or should be done."""

    name: str
    ok: bool
    detail: str


async def examine(config: Config, gpu: Gpu | None) -> list[Check]:
    """All checks; without `gpu` the device is left out."""
    checks = await asyncio.to_thread(
        lambda: [
            _python(),
            _torchvision(),
            _home(config.home),
            _disk(config.home),
            _database(config.home),
            _key(config),
            _base(config.base),
        ]
    )
    checks.append(_token(config))
    if gpu is not None:
        checks.append(await _device(gpu))
    return checks


def _python() -> Check:
    found = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info >= _OLDEST_PYTHON:
        return Check("python", True, found)
    return Check("python", False, f"{found}; install Python {'.'.join(map(str, _OLDEST_PYTHON))} or newer")


def _torchvision() -> Check:
    """A torchvision that was built for another torch breaks the import of diffusers and transformers."""
    versions = {name: _version(name) for name in ("torch", "torchvision")}
    torch, vision = versions["torch"], versions["torchvision"]
    if torch is None:
        return Check("torch", False, "PyTorch is not installed; run `make`")
    if vision is None:
        return Check("torch", True, torch)
    requirements = " ".join(metadata.requires("torchvision") or ())
    wanted = re.search(r"\btorch\s*==\s*([\w.]+)", requirements)
    if _builds_match(torch, vision) and (wanted is None or wanted[1] == torch.partition("+")[0]):
        return Check("torch", True, f"{torch} with torchvision {vision}")
    return Check(
        "torch", False, f"torchvision {vision} does not match torch {torch}; run `pip uninstall torchvision`"
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _builds_match(torch: str, vision: str) -> bool:
    """Whether both say the same after the `+`, such as cpu or cu130; saying nothing fits everything."""
    builds = {version.partition("+")[2] for version in (torch, vision)} - {""}
    return len(builds) < 2


def _home(home: Path) -> Check:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"\0")
    except OSError as error:
        return Check("home", False, f"{home.resolve()} can't be written: {error.strerror}")
    return Check("home", True, str(home.resolve()))


def _database(home: Path) -> Check:
    try:
        check_database(home)
        version = examine_database(home / DATABASE)
    except (DatabaseMissing, BadDatabase, OSError) as error:
        return Check("database", False, str(error))
    return Check("database", True, f"whole, version {version}" if version else "none yet")


def _key(config: Config) -> Check:
    """The key that seals tokens; a missing file is made at the first start."""
    file, configured = config.home / SECRET_KEY, config.secret_key
    try:
        if configured is None and not file.exists():
            return Check("key", True, f"none yet; {SECRET_KEY} will be made")
        read_keys(configured.get_secret_value() if configured else None, file)
    except (BadKey, OSError) as error:
        return Check("key", False, str(error))
    return Check("key", True, "LIKENESS_SECRET_KEY is set" if configured else str(file))


def _disk(home: Path) -> Check:
    try:
        free = shutil.disk_usage(nearest(home)).free / 2**30
    except OSError as error:
        return Check("disk", False, f"{home.resolve()} can't be looked at: {error.strerror}")
    if free >= _NEEDED_GIB:
        return Check("disk", True, f"{free:.1f} GiB free")
    return Check("disk", False, f"only {free:.1f} GiB free; {_NEEDED_GIB:.0f} GiB are needed")


def _base(name: str) -> Check:
    try:
        base, files = look_up(name)
    except CodedError as error:
        return Check("base", False, error.message)
    where = {
        "here": "on this machine",
        "hub": "complete on the Hugging Face Hub, fetched at first use",
        "unknown": "not on this machine; the Hub can't be reached now, so its files are unchecked",
    }
    return Check(
        "base", True, f"{base.title}, {base.resolution} pixels, {base.prediction_type}, {where[files]}"
    )


def _token(config: Config) -> Check:
    if config.discord_token is None:
        return Check("discord", True, "no DISCORD_TOKEN: `run` starts the sandbox")
    return Check("discord", True, "DISCORD_TOKEN is set")


async def _device(gpu: Gpu) -> Check:
    try:
        ready = await gpu.device()
    except OSError as error:
        return Check("device", False, f"{error} The reason is in the log folder, in inference.log.")
    return Check("device", True, f"{ready.device}, {ready.memory_gib:.1f} GiB free")
