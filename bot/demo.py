"""The demo: a visitor of the sandbox trains on the toy selfies and imagines, by script."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from bot.app import App
from bot.config import read_config
from bot.gpu.base import Gpu
from bot.sandbox import World, world
from bot.selfies import FOLDER, SELFIES_NAME, selfies
from data.disk import is_free, replacing
from data.jobs import Job, JobKind, JobState
from data.models import Model
from data.toys.reader import read_many
from inference.requests import DrawFailed, DrawRequest
from inference.requests import Picture as Drawn

log = logging.getLogger(__name__)

PROMPT = "oil painting of me wearing a top hat"
MEASURED = 16
"""Pictures of each model in which the identity is read."""

SEED = 2024
REPORT = "report.json"
PATIENCE_SECONDS = 1800.0
_LOOK_SECONDS = 0.5


class DemoFailed(RuntimeError):
    """A step of the demo did not end well."""


@dataclass
class Report:
    """What `report.json` holds."""

    install_ok: bool = False
    device: str = ""
    train_seconds: float = 0
    imagine_seconds: float = 0
    identity_before: float = 0
    identity_after: float = 0
    samples: Sequence[str] = ()
    pictures: Sequence[str] = ()
    error: str | None = None


async def demo(out: Path, gpu: Gpu | None = None) -> int:
    """Do all of it in a fresh home, leave `report.json` and pictures in `out`; 0 when everything worked."""
    if not await asyncio.to_thread(_may_fill, out):
        print(f"{out} holds files that no demo has left there: choose another --out.", file=sys.stderr)
        return 1
    await asyncio.to_thread(_empty, out)
    report = Report()
    app = App(read_config(discord_token=None, home=out / "home"), gpu)
    await app.start()
    try:
        async with world(app) as here:
            await _Demo(app, here, out, report).run()
    except Exception as error:  # whatever it is, the report says so
        log.exception("the demo broke off")
        report.error = str(error) or type(error).__name__
    finally:
        await app.close()
    _write(report, out)
    _print_table(report, out)
    return 1 if report.error else 0


class _Demo:
    """The script, scene by scene; fills the report as it goes."""

    def __init__(self, app: App, here: World, out: Path, report: Report) -> None:
        self._app = app
        self._here = here
        self._out = out
        self._report = report

    async def run(self) -> None:
        """Raises DemoFailed, OSError."""
        _say("Starting the model")
        self._report.device = (await self._app.gpu.device()).device
        self._report.install_ok = True
        model = await self._train()
        await self._imagine()
        _say(f"Measuring the identity in {MEASURED} pictures of each model")
        self._report.identity_before = await self._identity(self._app.config.base, model, "before")
        self._report.identity_after = await self._identity(str(model.path), model, "after")

    async def _train(self) -> Model:
        photos = selfies()
        _say(f"/train {SELFIES_NAME} with {len(photos)} selfies")
        started = time.monotonic()
        attached = {
            f"photo{number}": (one.filename, await one.fetch()) for number, one in enumerate(photos, 1)
        }
        here = self._here
        sheet = await here.visitor.slash(here.studio, "train", name=SELFIES_NAME, consent=True, **attached)
        if sheet.response is None:
            raise DemoFailed("The bot did not show the photos.")
        await here.visitor.click(sheet.response, label="Start")
        job = await self._ended(JobKind.train)
        self._report.samples = await self._posted(here.prompts.id, None, "sample")
        self._report.train_seconds = round(time.monotonic() - started, 1)
        model = await self._app.models.get(job.model_id or 0)
        if model is None:
            raise DemoFailed("The training ended without a model.")
        return model

    async def _imagine(self) -> None:
        _say(f"/imagine {PROMPT}")
        started = time.monotonic()
        here = self._here
        await here.visitor.slash(here.studio, "imagine", prompt=PROMPT, seed=SEED)
        job = await self._ended(JobKind.draw)
        self._report.pictures = await self._posted(job.channel_id, job.message_id, "picture")
        self._report.imagine_seconds = round(time.monotonic() - started, 1)

    async def _ended(self, kind: JobKind) -> Job:
        """Wait for the visitor's newest job of this kind, telling how far it is."""
        told = ""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            mine = [job for job in await self._app.jobs.of_user(self._here.visitor.id) if job.kind is kind]
            if not mine:
                raise DemoFailed(f"The bot did not take the {kind} job.")
            job = mine[0]
            if job.state.ended and job.state is not JobState.done:
                raise DemoFailed(f"The {kind} job {job.state}: {job.error}")
            if job.announced:  # before, its message may show a preview
                return job
            tenth = 10 * job.step // max(job.steps, 1)
            now = f"{job.phase or job.state} {10 * tenth}%"
            if now != told:
                _say(f"  {now}")
                told = now
            await asyncio.sleep(_LOOK_SECONDS)
        raise DemoFailed(f"The {kind} job did not end within {PATIENCE_SECONDS:.0f} s.")

    async def _posted(self, channel_id: int, message_id: int | None, name: str) -> list[str]:
        """The pictures that a message shows, as files; of the channel's newest message when none is named."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for channel in (self._here.studio, self._here.prompts):
                for message in reversed(channel.history()):
                    wanted = channel.id == channel_id and message_id in (None, message.id)
                    if wanted and message.attachments:
                        return [
                            self._keep(await attachment.read(), f"{name}-{index}.png")
                            for index, attachment in enumerate(message.attachments)
                        ]
            await asyncio.sleep(0.5)
        raise DemoFailed(f"No {name} was posted.")

    def _keep(self, content: bytes, name: str) -> str:
        (self._out / name).write_bytes(content)
        return str(self._out / name)

    async def _identity(self, source: str, model: Model, label: str) -> float:
        """Share of the toy person's identity that is read in pictures of its own prompt."""
        folder = self._out / f"identity-{label}"
        folder.mkdir()
        request = DrawRequest(
            id=label,
            model=source,
            prompt=f"photo of {model.trigger}",
            count=MEASURED,
            seed=SEED,
            out=str(folder.resolve()),
        )
        paths: list[Path] = []
        async for event in self._app.gpu.draw(request):
            if isinstance(event, DrawFailed):
                raise DemoFailed(event.message)
            if isinstance(event, Drawn):
                paths.append(Path(event.path))
        return await asyncio.to_thread(identity_share, paths)


def identity_share(paths: Sequence[Path]) -> float:
    """How much of the toy person's identity attributes is read in the pictures, from 0 to 1."""
    identity: dict[str, str] = json.loads((FOLDER / "identity.json").read_text(encoding="utf-8"))
    readings = read_many([Image.open(path) for path in paths])
    hits = sum(reading.get(name) == value for reading in readings for name, value in identity.items())
    return round(hits / (len(identity) * len(paths)), 3)


def _may_fill(folder: Path) -> bool:
    """Whether it is new, empty or an earlier demo's: others write a report.json, too. Raises OSError."""
    try:
        left = json.loads((folder / REPORT).read_bytes())
    except FileNotFoundError:
        return is_free(folder)
    except ValueError:
        return False
    return isinstance(left, dict) and left.keys() == asdict(Report()).keys()


def _empty(folder: Path) -> None:
    """Make room for a new run: what an earlier demo left goes, anything else in the folder stays."""
    for left in (folder / "home", *folder.glob("identity-*")):
        shutil.rmtree(left, ignore_errors=True)
    for file in (*folder.glob("sample-*.png"), *folder.glob("picture-*.png")):
        file.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    _write(Report(error="The demo did not come to its end."), folder)  # by which a next one knows the folder


def _write(report: Report, folder: Path) -> None:
    with replacing(folder / REPORT) as file:
        file.write(json.dumps(asdict(report), indent=2).encode() + b"\n")


def _say(line: str) -> None:
    print(line, flush=True)


def _print_table(report: Report, out: Path) -> None:
    rows = [
        ("device", report.device or "-"),
        ("training", f"{report.train_seconds:.1f} s"),
        (f"{len(report.pictures)} pictures", f"{report.imagine_seconds:.1f} s"),
        ("identity before", f"{report.identity_before:.0%}"),
        ("identity after", f"{report.identity_after:.0%}"),
        ("samples", f"{len(report.samples)}"),
        ("report", str(out / REPORT)),
    ]
    for name, value in rows:
        _say(f"{name:<16} {value}")
    if report.error:
        _say(f"FAILED           {report.error}")
