"""Models on their way out: who may export or publish what, and the tokens that they give for it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from aiosqlite import Connection
from pydantic import SecretStr

from bot.services.handover_runner import HandoverRunner
from bot.services.handover_work import PUBLISH, HandoverWork
from bot.services.owned import OwnedModels
from bot.services.refusal import Refusal
from data.database import Database
from data.files import FileStore
from data.handovers import Format, Handover, Handovers
from data.secrets import Vault
from trainer.hub_names import repository_name

_TOKEN = re.compile(r"[\x21-\x7e]{8,300}")


class Publishing:
    """What a person may ask for; a `HandoverRunner` sees to it."""

    def __init__(
        self,
        db: Database,
        files: FileStore,
        vault: Vault,
        handovers: Handovers,
        owned: OwnedModels,
        work: HandoverWork,
        runner: HandoverRunner,
    ) -> None:
        self._db = db
        self._files = files
        self._vault = vault
        self._handovers = handovers
        self._owned = owned
        self._work = work
        self._runner = runner

    async def export(
        self, model_id: int, format: Format, half: bool, *, user_id: int, locale: str
    ) -> Handover:
        """Have a model written as one file; the one that is kept from before is good, too.

        Raises Refusal: no_such_model, no_adapter, handover_running.
        """
        model = await self._owned.own(model_id, user_id)
        if format == "lora" and model.method != "lora":
            raise Refusal("no_adapter")
        kept = await self._handovers.exported(model_id, user_id, format, half)
        if kept is not None and kept.path is not None and kept.path.is_file():
            return kept
        async with self._db.transaction() as tx:
            handover = _created(
                await self._handovers.create(
                    "export",
                    "running",
                    user_id=user_id,
                    guild_id=model.guild_id,
                    model_id=model_id,
                    locale=locale,
                    format=format,
                    half=half,
                    tx=tx,
                )
            )
            await self._vault.delete("user", user_id, PUBLISH, tx)  # of what waited for a yes
        self._runner.wake()
        return handover

    async def publish(
        self,
        model_id: int,
        repository: str,
        token: SecretStr | None,
        *,
        public: bool,
        keep_token: bool,
        user_id: int,
        locale: str,
    ) -> Handover:
        """Have a model put on the Hub; a public one waits for `say_yes`. Without a token a kept one is used.

        Raises Refusal: no_such_model, token_missing, token_invalid, handover_running.
        """
        model = await self._owned.own(model_id, user_id)
        if token is not None and not _TOKEN.fullmatch(token.get_secret_value()):
            raise Refusal("token_invalid")
        async with self._db.transaction() as tx:
            handover = _created(
                await self._handovers.create(
                    "publish",
                    "asked" if public else "running",
                    user_id=user_id,
                    guild_id=model.guild_id,
                    model_id=model_id,
                    locale=locale,
                    repository=repository_name(repository),
                    public=public,
                    keep_token=keep_token and token is not None,
                    tx=tx,
                )
            )
            await self._take_token(user_id, token, tx)
        self._runner.wake()
        return handover

    async def keeps_token(self, user_id: int) -> bool:
        """Whether a person need not give one."""
        return await self._work.kept_token(user_id) is not None

    async def say_yes(self, handover_id: int, user_id: int) -> Handover:
        """The second yes, without which nothing is public. Raises Refusal(no_such_handover)."""
        await self._own(handover_id, user_id)
        if not await self._handovers.say_yes(handover_id):
            raise Refusal("no_such_handover")
        self._runner.wake()
        return await self._own(handover_id, user_id)

    async def cancel(self, handover_id: int, user_id: int) -> Handover:
        """Stop it, if it has not ended, and erase its token. Raises Refusal(no_such_handover)."""
        await self._stop(await self._own(handover_id, user_id))
        return await self._own(handover_id, user_id)

    async def halt(self, model_id: int) -> list[Path]:
        """Stop all of a model; the rows and these folders are the caller's to remove."""
        for handover in await self._handovers.open_of(model_id):
            await self._stop(handover)
        return [self._files.handover(one) for one in await self._handovers.ids_of(model_id)]

    async def _take_token(self, user_id: int, token: SecretStr | None, tx: Connection) -> None:
        if token is not None:
            await self._vault.put("user", user_id, PUBLISH, token, tx)
            return
        await self._vault.delete("user", user_id, PUBLISH, tx)  # of what waited for a yes
        if not await self.keeps_token(user_id):
            raise Refusal("token_missing")

    async def _own(self, handover_id: int, user_id: int) -> Handover:
        handover = await self._handovers.get(handover_id)
        if handover is None or handover.user_id != user_id:
            raise Refusal("no_such_handover")
        return handover

    async def _stop(self, handover: Handover) -> None:
        if await self._work.end(handover, "cancelled"):
            await self._runner.settle(handover.id)
            await asyncio.to_thread(self._files.discard, self._files.handover(handover.id))
            self._runner.wake()


def _created(handover: Handover | None) -> Handover:
    if handover is None:
        raise Refusal("handover_running")
    return handover
