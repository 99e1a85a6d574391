"""Child processes of this machine: started with no more than they need, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path

import trainer

# A child gets these and nothing else: it runs models from strangers and must not see the bot's secrets.
_PASSED_ON = (
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "XDG_CACHE_HOME",
    "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "MKL_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_HOME", "CUDA_CACHE_PATH", "PYTORCH_CUDA_ALLOC_CONF",
    "PYTORCH_ALLOC_CONF", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR",
    "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_ENDPOINT", "HF_HUB_DISABLE_XET",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
)  # fmt: skip
_ROOT = Path(trainer.__file__).parent.parent
_LINE_LIMIT = 2**20
"""Longest line, in bytes, that a child may say."""


async def spawn(
    module: str, *arguments: str, log: Path, environment: Mapping[str, str] | None = None
) -> Process:
    """Start `python -m MODULE ARGUMENTS`, its stdin and stdout piped, its stderr appended to `log`.

    `environment` goes before the variables that every child gets; it is no place for secrets.

    The child leads a process group of its own, so that a Ctrl-C in the terminal reaches only the bot,
    which then stops its children in order. Raises OSError.
    """
    stderr = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments,
            stdin=PIPE, stdout=PIPE, stderr=stderr, limit=_LINE_LIMIT,
            env={**_environment(), **(environment or {})}, cwd=_ROOT, start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(stderr)


async def stop(process: Process, grace: float) -> None:
    """End a child: stdin closed and SIGTERM, then SIGKILL to its whole group after `grace` seconds.

    The child is gone when this returns or raises.
    """
    if process.stdin is not None:
        process.stdin.close()
    try:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            async with asyncio.timeout(grace):
                await process.wait()
    except TimeoutError:
        pass
    finally:
        # Also after a graceful end: workers that the child left behind would keep its memory and locks.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def outcome(process: Process) -> str:
    """How a child ended, in words."""
    code = process.returncode
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _environment() -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return passed_on | {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}
