"""`python -m bot run | sandbox | demo | sync | doctor | health`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path

import discord

from bot.app import App, HomeInUse, PartEnded
from bot.config import BadConfig, Config, read_config
from bot.health import healthy
from bot.logs import LOG_BYTES
from bot.memory import bound_arenas
from data.database import BadDatabase
from data.disk import typed_path
from data.files import DatabaseMissing, keep_private
from data.secrets import BadKey
from inference.errors import ModelError

log = logging.getLogger(__name__)

_TOKEN_REFUSED = "Discord did not accept DISCORD_TOKEN. Copy it again from your application's page."
_AUTHENTICATION_FAILED = 4004
"""The gateway's code for a token that was good at the log-in and is none any more: it was reset meanwhile."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status says whether it went well."""
    options = _parser().parse_args(arguments)
    os.umask(0o077)  # whatever this process and its children write is its owner's alone
    bound_arenas()
    try:
        config = read_config()
    except BadConfig as error:
        print(error, file=sys.stderr)
        return 1
    try:
        return asyncio.run(_until_stopped(_command(options, config)))
    except KeyboardInterrupt:
        return 130
    except (HomeInUse, DatabaseMissing, BadDatabase, BadKey) as error:
        print(error, file=sys.stderr)
    except ModelError as error:
        print(f"LIKENESS_BASE can't be used: {error.message}", file=sys.stderr)
    except OSError as error:
        print(
            f"{error.filename} can't be used: {error.strerror}." if error.filename else error, file=sys.stderr
        )
    except discord.LoginFailure:
        print(_TOKEN_REFUSED, file=sys.stderr)
    except discord.DiscordServerError as error:
        print(f"Discord is in trouble, try again later. It said: {error}", file=sys.stderr)
    except (discord.ConnectionClosed, discord.PrivilegedIntentsRequired) as error:
        refused = isinstance(error, discord.ConnectionClosed) and error.code == _AUTHENTICATION_FAILED
        said = _TOKEN_REFUSED if refused else error
        log.critical("Likeness ends: Discord closed the connection for good. %s", said)
    except PartEnded as error:
        log.critical("Likeness ends: %s", error, exc_info=error.__cause__)
    except Exception:
        log.critical("Likeness ends because of an unexpected error.", exc_info=True)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bot", description="Likeness, a Discord bot.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (
        ("run", "serve Discord; without DISCORD_TOKEN, the sandbox"),
        ("sandbox", "serve a simulated Discord as a web page on this machine"),
    ):
        command = commands.add_parser(name, help=about)
        command.add_argument(
            "--port", type=_port, help="first port of the page (LIKENESS_PORT or 8642); 0: any"
        )
    demo = commands.add_parser("demo", help="train and imagine in the sandbox by script, and report")
    demo.add_argument(
        "--out", type=typed_path, default=Path("out/demo"), help="folder of the report and the pictures"
    )
    commands.add_parser("sync", help="tell Discord which commands there are")
    commands.add_parser("doctor", help="check this machine and say what is missing")
    commands.add_parser("health", help="exit status 0 while a bot works in this home folder")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text} is no port: they go from 0 to 65535")
    return int(text)


async def _command(options: argparse.Namespace, config: Config) -> int:
    on_discord = options.command != "sandbox" and config.discord_token is not None
    here = config if on_discord else _in_sandbox(config)
    match options.command:
        case "demo":
            from bot.demo import demo

            return await demo(options.out)
        case "sync":
            return await _sync(config)
        case "doctor":
            return await _doctor(here)
        case "health":
            return 0 if healthy(here.home) else 1
    app = App(here)
    keep_private(config.home)  # the sandbox lies inside
    _log_to(app.files.logs, quiet=not on_discord)
    await app.start()
    try:
        if on_discord and config.discord_token is not None:
            return await _while_whole(app, _on_discord(app, config.discord_token.get_secret_value()))
        from bot import sandbox

        port = config.port if options.port is None else options.port
        return await _while_whole(app, sandbox.run(app, port))
    finally:
        await app.close()


async def _on_discord(app: App, token: str) -> int:
    async with app.bot:
        await app.bot.start(token)
    raise PartEnded("the connection to Discord ended by itself.")


async def _while_whole(app: App, face: Coroutine[None, None, int]) -> int:
    """Run what people talk to. Raises PartEnded when something behind it ends: half a bot serves nobody."""
    facing = asyncio.create_task(face, name="face")
    watching = asyncio.create_task(app.watch(), name="watch")
    try:
        done, _ = await asyncio.wait([facing, watching], return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        for task in (facing, watching):
            task.cancel()
        await asyncio.wait([facing, watching])


def _in_sandbox(config: Config) -> Config:
    """Its people and channels are not Discord's: neither may serve the other's jobs."""
    return config.model_copy(update={"home": config.home / "sandbox"})


async def _until_stopped(work: Coroutine[None, None, int]) -> int:
    """Run `work`; SIGTERM stops it as Ctrl-C does, so that trainings write a checkpoint.

    Raises PartEnded when it was cancelled, but not by a signal.
    """
    task, asked = asyncio.create_task(work), asyncio.Event()

    def stop() -> None:
        asked.set()
        task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    try:
        return await task
    except asyncio.CancelledError as error:
        if asked.is_set():
            return 0
        mine = asyncio.current_task()
        if mine is not None and mine.cancelling():  # by Ctrl-C
            raise
        raise PartEnded("its work was cancelled from within.") from error


async def _sync(config: Config) -> int:
    if config.discord_token is None:
        print("Set DISCORD_TOKEN first.", file=sys.stderr)
        return 1
    from bot.client import CommandsOnly

    async with CommandsOnly(App(config)) as bot:
        # Logging in runs the client's set-up, and that tells Discord the commands.
        await bot.login(config.discord_token.get_secret_value())
        print(f"{len(bot.tree.get_commands(type=None))} commands are known to Discord now.")
    return 0


async def _doctor(config: Config) -> int:
    from bot.doctor import examine

    try:
        gpu = App(config).gpu
    except OSError:  # the home, which the checks will say
        checks = await examine(config, None)
    else:
        try:
            checks = await examine(config, gpu)
        finally:
            await gpu.close()
    for check in checks:
        print(f"{'ok' if check.ok else 'NO':>3}  {check.name:<10} {check.detail}")
    return 0 if all(check.ok for check in checks) else 1


def _log_to(folder: Path, *, quiet: bool) -> None:
    """Everything into the log folder; the terminal too, but only troubles where a page is the face."""
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.WARNING if quiet else logging.INFO)
    if quiet:
        # SimCord makes discord.py warn about a probe of its own.
        terminal.addFilter(lambda record: record.levelno >= logging.ERROR or record.name != "discord.state")
    file = RotatingFileHandler(folder / "bot.log", maxBytes=LOG_BYTES, backupCount=3, encoding="utf-8")
    logging.basicConfig(
        level=logging.INFO,
        handlers=[terminal, file],
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


if __name__ == "__main__":
    sys.exit(main())
