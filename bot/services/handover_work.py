"""Carries one export or publication out: the trainer's process does it, its outcome goes to the database."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from bot.gpu.hearing import hear
from bot.gpu.processes import outcome, spawn, stop
from bot.services.endpoints import PURPOSE as ENDPOINT
from bot.services.work import MAX_ATTEMPTS, ROOM_SECONDS
from data.database import Database, until_written
from data.disk import replacing
from data.errors import is_disk_full
from data.files import FileStore
from data.handovers import Handover, Handovers, State
from data.jobs import Jobs
from data.models import Model, Models
from data.pictures import Pictures
from data.publications import Publications
from data.secrets import Vault
from trainer.events import Failed
from trainer.handover import Exported, HandoverEvent, MadePrivate, Moved, Published, parse_handover
from trainer.publish_card import Facts, SampleFact
from trainer.spec import TrainSpec

logger = logging.getLogger(__name__)

PUBLISH, HUB = "publish", "hub"
"""The vault's names for the token of a publication under way, and for one that its owner let us keep."""

LOST = "handover_lost"
_AGAIN = (LOST, "disk_full")
_GRACE_SECONDS = 10.0


class HandoverWork:
    """`hub` is the address of the Hub; `single_file` says whether publications have the model as one, too."""

    def __init__(
        self,
        db: Database,
        files: FileStore,
        jobs: Jobs,
        models: Models,
        pictures: Pictures,
        vault: Vault,
        handovers: Handovers,
        publications: Publications,
        *,
        hub: str,
        single_file: bool,
    ) -> None:
        self._db = db
        self._files = files
        self._jobs = jobs
        self._models = models
        self._pictures = pictures
        self._vault = vault
        self._handovers = handovers
        self._publications = publications
        self._hub = hub
        self._single_file = single_file

    async def run(self, handover: Handover, moved: Callable[[Moved], None]) -> None:
        """Do it and write down how it ended, unless it is to be tried again: then it still runs.

        Cancelled, it stops the process and leaves the row as it is.
        """
        model = await self._models.get(handover.model_id)
        if model is None:  # deleted, and the handover with it
            return
        # A folder for each attempt: a process that a crash left behind may still write into the former one.
        folder = self._files.handover(handover.id) / str(handover.attempts)
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        await asyncio.to_thread(_remove_attempts, folder.parent, but=folder.name)
        log = folder.with_name("trainer.log")
        if handover.kind == "export":
            events = _events(self._export(handover, model, folder), log)
        else:
            given = await self._vault.get("user", handover.user_id, PUBLISH)
            token = given or await self.kept_token(handover.user_id)
            if token is None:
                await self.fail(handover, "token_missing", "There is no token to publish with.")
                return
            facts = folder / "facts.json"
            await asyncio.to_thread(_write, facts, (await self._facts(model)).model_dump_json())
            # The token goes where the process can't be asked for it from outside: through its stdin.
            words = self._publish(handover, model, facts, folder / "stage")
            events = _events(words, log, token, {"HF_ENDPOINT": self._hub})
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Moved):
                    moved(event)
                elif isinstance(event, MadePrivate):
                    await until_written(lambda: self._handovers.note_private(handover.id))
                else:
                    await self._conclude(handover, event)
                    return

    async def kept_token(self, user_id: int) -> SecretStr | None:
        """A token that a person let us keep, for publishing or for their endpoint."""
        return await self._vault.get("user", user_id, HUB) or await self._vault.get("user", user_id, ENDPOINT)

    async def lost_or_failed(self, handover: Handover, code: str, message: str) -> None:
        """Leave it running, to be taken up again, if its process died or found no room; all else fails."""
        if code not in _AGAIN or handover.attempts >= MAX_ATTEMPTS:
            await self.fail(handover, LOST if code == "internal" else code, message)
        elif code == "disk_full":
            await asyncio.sleep(ROOM_SECONDS)

    async def fail(self, handover: Handover, code: str, message: str) -> None:
        """Give it up. What it made goes, its log stays for whoever looks into it."""
        if code == "token_invalid" and await self._vault.get("user", handover.user_id, PUBLISH) is None:
            # So that the next time asks for one.
            await until_written(lambda: self._vault.delete("user", handover.user_id, HUB))
        await until_written(lambda: self.end(handover, "failed", error_code=code, error=message))
        if (folder := self._files.handover(handover.id)).is_dir():
            await asyncio.to_thread(_remove_attempts, folder)

    async def end(self, handover: Handover, state: State, **result: Any) -> bool:
        """Write the end down, and erase the token unless it may stay. False when it had ended before."""
        kept = None
        refused = str(result.get("error_code", "")).startswith("token_")
        if handover.keep_token and state in ("done", "failed") and not refused:
            kept = await self._vault.get("user", handover.user_id, PUBLISH)
        async with self._db.transaction() as tx:
            ended = await self._handovers.end(handover.id, state, tx, **result)
            if ended:
                await self._vault.delete("user", handover.user_id, PUBLISH, tx)
                if kept is not None:
                    await self._vault.put("user", handover.user_id, HUB, kept, tx)
        return ended

    async def forget(self, handover: Handover) -> None:
        """Remove what nobody said yes to, or what ended long ago, with its files."""
        async with self._db.transaction() as tx:
            await self._handovers.delete(handover.id, tx)
            if handover.state == "asked":
                await self._vault.delete("user", handover.user_id, PUBLISH, tx)
        await asyncio.to_thread(self._files.discard, self._files.handover(handover.id))

    async def _conclude(self, handover: Handover, event: Exported | Published | Failed) -> None:
        if isinstance(event, Failed):
            await self.lost_or_failed(handover, event.code, event.message)
        elif isinstance(event, Exported):
            made = {"path": self._files.relative(Path(event.path)), "size_bytes": event.size_bytes}
            await until_written(lambda: self.end(handover, "done", **made))
        else:
            # Before anything else: it is there now, whatever becomes of the rest.
            await until_written(lambda: self._note_published(handover, event))
            there = {"repository": event.repo, "url": event.url, "others": json.dumps(event.others)}
            await until_written(lambda: self.end(handover, "done", **there))
            await asyncio.to_thread(self._files.discard, self._files.handover(handover.id))

    async def _note_published(self, handover: Handover, event: Published) -> None:
        async with self._db.transaction() as tx:
            await self._publications.put(
                user_id=handover.user_id,
                repository=event.repo,
                guild_id=handover.guild_id,
                model_id=handover.model_id,
                url=event.url,
                visibility=event.visibility,
                revision=event.commit,
                tx=tx,
            )

    def _export(self, handover: Handover, model: Model, folder: Path) -> list[str]:
        assert handover.format is not None
        suffix = "ckpt" if handover.format == "ckpt" else "safetensors"
        marks = ("-lora" if handover.format == "lora" else "") + ("-fp16" if handover.half else "")
        out = folder / f"{_described(model).slug}{marks}.{suffix}"
        words = ["export", str(model.path), f"--format={handover.format}", f"--out={out}"]
        return words + (["--half"] if handover.half else [])

    def _publish(self, handover: Handover, model: Model, facts: Path, stage: Path) -> list[str]:
        words = ["publish", str(model.path), f"--repo={handover.repository}", "--token-stdin"]
        words += [f"--facts={facts}", f"--stage={stage}"]
        words += [] if self._single_file else ["--no-single-file"]
        return words + (["--public"] if handover.public else [])

    async def _facts(self, model: Model) -> Facts:
        """All that the card on the Hub tells of a model."""
        samples = [one for one in await self._pictures.of_job(model.job_id) if one.path.is_file()]
        job = await self._jobs.get(model.job_id)
        recipe: dict[str, Any] = {}
        if job is not None:
            with contextlib.suppress(ValidationError):
                recipe = TrainSpec.model_validate_json(job.payload).recipe.model_dump()
        if recipe:
            recipe |= {"method": model.method, "steps": model.steps}  # as it was really trained
            if Path(recipe["vae"] or "").is_absolute():
                del recipe["vae"]  # where things lie here is nobody's business
        pictures = tuple(SampleFact(path=sample.path, prompt=sample.prompt) for sample in samples)
        return _described(model).model_copy(update={"recipe": recipe, "samples": pictures})


def _described(model: Model) -> Facts:
    return Facts(
        name=model.name,
        class_name=model.class_name,
        base=model.base,
        method=model.method,
        photos=model.photos or None,
    )


async def _events(
    words: Sequence[str],
    log: Path,
    token: SecretStr | None = None,
    environment: Mapping[str, str] | None = None,
) -> AsyncGenerator[HandoverEvent, None]:
    """What the process says; `Failed`, code `handover_lost`, for one that dies without a last word."""
    try:
        process = await spawn("trainer", *words, "--supervised", log=log, environment=environment)
    except OSError as error:
        logger.exception("no process could be started")
        code = "disk_full" if is_disk_full(error) else LOST
        yield Failed(code=code, message=f"The process can't be started: {error.strerror}.")
        return
    assert process.stdin is not None
    try:
        if token is not None:
            process.stdin.write(token.get_secret_value().encode() + b"\n")
        async with aclosing(hear(process, parse_handover)) as said:
            async for event in said:
                yield event
        yield Failed(code=LOST, message=f"The process {outcome(process)}.")
    finally:
        await stop(process, _GRACE_SECONDS)


def _remove_attempts(folder: Path, but: str = "") -> None:
    """Blocking."""
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name != but:
            shutil.rmtree(entry, ignore_errors=True)


def _write(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode())
