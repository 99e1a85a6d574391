"""Export with the real trainer process, and how long what it made is kept."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import discord
import pytest
from simcord.results import InteractionResult

from bot.app import App
from bot.sandbox import World
from data.handovers import Handover
from data.models import Model
from tests.bot.cogs.handovers.steps import SECONDS, letters, publish, saying, settled, trained
from tests.bot.face import eventually, parts_of, text_of

KILLED_ONCE = """#!/bin/sh
[ -e "$0.killed" ] || { touch "$0.killed"; kill -KILL $$; }
for word; do case $word in --out=*) out=${word#--out=};; esac; done
echo weights > "$out"
echo '{"type": "exported", "path": "'$out'", "size_bytes": 8}'
"""


async def test_an_export_is_attached_where_it_fits(
    here: World, app: App, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = await exporting(here)
    assert "LoRA" not in text_of(shown.response)
    await here.visitor.click(shown.response, label="safetensors · half precision")
    assert "**abraza-fp16.safetensors**" in await saying(shown, "Here is")
    (file,) = attached(shown)
    kept = await settled(app)
    assert kept.path is not None and file["size"] == kept.size_bytes == kept.path.stat().st_size
    assert kept.path.read_bytes()[8:9] == b"{"

    again = await exporting(here)
    here.env.inject_error("PATCH", "/webhooks/*", status=413)
    await here.visitor.click(again.response, label="safetensors · half precision")
    assert "files may have 10.0 MiB at most" in text_of(again.response) and attached(again) == []

    read = discord.Interaction._from_data
    limit = {"attachment_size_limit": 10 * 2**20}
    monkeypatch.setattr(discord.Interaction, "_from_data", lambda self, data: read(self, {**data, **limit}))
    again = await exporting(here)
    await here.visitor.click(again.response, label="safetensors · half precision")
    said = text_of(again.response)
    assert "files may have 10.0 MiB at most" in said and attached(again) == []
    assert "handovers/1/1/abraza-fp16.safetensors" in said
    form = await here.visitor.click(again.response, label="Publish")
    assert form.modal is not None

    listed = await here.visitor.slash(here.studio, "models")
    await here.visitor.click(listed.response, label="Open")
    sure = await here.visitor.click(listed.response, label="Delete")
    await here.visitor.click(sure.response, label="Delete for good")
    assert not kept.path.exists() and await app.handovers.get(1) is None
    gone = await here.visitor.click(again.response, label="Publish")
    assert "not here any more" in text_of(gone.response)


async def test_a_lora_is_exported_alone_and_a_late_file_comes_as_a_direct_message(
    here: World, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.handovers._LIVE", timedelta(0))
    await trained(app, here, here.visitor.id, "lora")
    shown = await exporting(here)
    await here.visitor.click(shown.response, label="LoRA · half precision")
    assert "I go on in a direct message" in text_of(shown.response)
    (letter,) = await eventually(lambda: letters(here, "Here is"), SECONDS)
    assert [file.filename for file in letter.attachments] == ["abraza-lora-fp16.safetensors"]
    assert len(here.visitor.user.dm_channel.history()) == 1


async def test_what_was_interrupted_too_often_is_given_up(here: World, app: App, model: Model) -> None:
    handover = await recorded(app, model)
    async with app.db.transaction() as tx:
        await tx.execute("UPDATE handovers SET attempts = 5")
    app.handover_runner.wake()
    lost = await settled(app, handover.id)
    assert letters(here, "It broke off")
    assert (lost.state, lost.error_code) == ("failed", "handover_lost")


async def test_an_export_whose_process_is_killed_is_tried_again(
    here: World, app: App, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text(KILLED_ONCE)
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    handover = await recorded(app, model)
    app.handover_runner.wake()
    done = await settled(app, handover.id)
    assert (done.state, done.attempts) == ("done", 2)
    assert done.path is not None and done.path.read_text() == "weights\n"


async def test_closed_direct_messages_keep_nothing_waiting(here: World, app: App, model: Model) -> None:
    path = f"/channels/{here.visitor.user.dm_channel.id}/messages"
    here.env.inject_error("POST", path, status=403, times=None)
    handover = await recorded(app, model)
    async with app.db.transaction() as tx:
        await app.handovers.end(handover.id, "failed", tx, error_code="disk_full")
    app.handover_runner.wake()
    await settled(app, handover.id)
    assert not here.visitor.user.dm_channel.history()


async def test_files_and_open_questions_are_forgotten_when_their_time_is_over(
    here: World, app: App, model: Model
) -> None:
    kept = await recorded(app, model)
    file = app.files.handover(kept.id) / "1" / "abraza.ckpt"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    async with app.db.transaction() as tx:
        await app.handovers.end(kept.id, "done", tx, path=app.files.relative(file), size_bytes=7)
    await app.handovers.mark_announced(kept.id)
    asked = await publish(here, public=True)
    assert "everybody in the world" in text_of(asked.response) and file.exists()
    async with app.db.transaction() as tx:
        for time in ("created_at", "finished_at"):
            await tx.execute(f"UPDATE handovers SET {time} = {time} - 4 * 86400")
    app.handover_runner.wake()

    async def gone() -> bool:
        return not await app.handovers.ids_of(model.id)

    await eventually(gone)
    await eventually(lambda: not file.exists())
    assert await app.vault.get("user", here.visitor.id, "publish") is None


async def recorded(app: App, model: Model) -> Handover:
    """An export that nobody was asked for."""
    async with app.db.transaction() as tx:
        handover = await app.handovers.create(
            "export",
            "running",
            user_id=model.owner_id,
            guild_id=model.guild_id,
            model_id=model.id,
            locale="en",
            format="ckpt",
            tx=tx,
        )
    assert handover is not None
    return handover


async def exporting(here: World) -> InteractionResult:
    """The choice that Export offers on the card of the visitor's own model."""
    listed = await here.visitor.slash(here.studio, "models")
    await here.visitor.click(listed.response, label="Open")
    return await here.visitor.click(listed.response, label="Export")


def attached(shown: InteractionResult) -> list[dict[str, Any]]:
    """The file components of a card."""
    assert shown.response is not None
    return [part for part in parts_of(shown.response) if part.get("type") == 13]
