"""The real bot as a process of its own, connected to a stand-in Discord."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.standin.server import TOKEN, StandIn

ROOT = Path(__file__).parents[2]

STARTING = 120
"""Seconds that a process may take to be there, on a machine that has much to do."""


@dataclass(frozen=True)
class BotProcess:
    process: asyncio.subprocess.Process
    home: Path
    log: Path
    """What it writes to the terminal."""

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    async def stop(self) -> int:
        """Ask it to end, as a service manager does, and wait; its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()


@asynccontextmanager
async def bot_process(there: StandIn, home: Path, token: str = TOKEN) -> AsyncIterator[BotProcess]:
    """`python -m bot run` in `home`; killed in the end, if it is still there."""
    # Away from the repository: whoever runs the tests may have a .env there, with a real token.
    await asyncio.to_thread(home.mkdir, parents=True, exist_ok=True)
    log = home.with_suffix(".log")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LIKENESS_HOME": str(home), "DISCORD_TOKEN": token}
    with log.open("ab") as said:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.standin.launch", there.api, there.gateway.url, "run"),
            stdout=said,
            stderr=said,
            env=environment,
            cwd=home,
        )
    try:
        yield BotProcess(process, home, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
