"""People's tokens: encrypted at rest (Fernet: AES-128-CBC with HMAC-SHA256), the key kept apart from them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from aiosqlite import Connection
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from data.database import Database

Scope = Literal["user", "guild"]


class BadKey(ValueError):
    """A key that is none, or a key file that other people can read. The text never holds the key."""


def read_keys(configured: str | None, file: Path) -> list[Fernet]:
    """The keys, newest first: comma-separated in `configured`, else one a line in `file`.

    Where there is neither, a new key is written to `file`, readable by its owner alone. Blocking.
    Raises BadKey, OSError.
    """
    if configured:
        return [_key(text.strip(), "LIKENESS_SECRET_KEY") for text in configured.split(",")]
    if not file.exists():
        _write_key(file)
    if file.stat().st_mode & 0o077:
        raise BadKey(f"Other people can read {file}: run chmod 600 on it.")
    keys = [_key(line, str(file)) for line in file.read_text(encoding="utf-8", errors="replace").split()]
    if not keys:
        raise BadKey(f"{file} is empty: restore it, or remove it and have everybody give their tokens again.")
    return keys


def _write_key(file: Path) -> None:
    """Beside and then renamed: an empty file would be no key, and keep the next start from making one."""
    incoming = file.with_name(file.name + ".incoming")
    descriptor = os.open(incoming, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(Fernet.generate_key() + b"\n")
        stream.flush()
        os.fsync(descriptor)
    incoming.rename(file)


def _key(text: str, place: str) -> Fernet:
    try:
        return Fernet(text)
    except ValueError:
        raise BadKey(
            f"A secret key must be 32 bytes in URL-safe base64, unlike the one in {place}; see .env.example."
        ) from None


class Vault:
    """The secrets table. Methods that take `tx` join that transaction; the others commit by themselves."""

    def __init__(self, db: Database, keys: Sequence[Fernet]) -> None:
        self._db = db
        self._keys = MultiFernet(keys)

    async def put(
        self, scope: Scope, scope_id: int, purpose: str, secret: SecretStr, tx: Connection | None = None
    ) -> None:
        """Keep a secret in place of any former one for the same purpose."""
        sealed = self._keys.encrypt(secret.get_secret_value().encode()).decode()
        async with self._db.transaction(tx) as connection:
            await connection.execute(
                "INSERT OR REPLACE INTO secrets (scope, scope_id, purpose, sealed, created_at)"
                " VALUES (?, ?, ?, ?, ?)",
                (scope, scope_id, purpose, sealed, time.time()),
            )

    async def get(self, scope: Scope, scope_id: int, purpose: str) -> SecretStr | None:
        """The secret, or None when there is none or no key of ours opens it: it must be asked for again."""
        row = await self._db.row(
            "SELECT sealed FROM secrets WHERE scope = ? AND scope_id = ? AND purpose = ?",
            (scope, scope_id, purpose),
        )
        if row is None:
            return None
        try:
            return SecretStr(self._keys.decrypt(row["sealed"]).decode())
        except InvalidToken:
            return None

    async def delete(
        self, scope: Scope, scope_id: int, purpose: str | None = None, tx: Connection | None = None
    ) -> bool:
        """Erase one secret, or all of a person or guild. False when there was none."""
        async with self._db.transaction(tx) as connection:
            cursor = await connection.execute(
                "DELETE FROM secrets WHERE scope = ? AND scope_id = ? AND (? IS NULL OR purpose = ?)",
                (scope, scope_id, purpose, purpose),
            )
        return cursor.rowcount > 0

    async def rotate(self) -> None:
        """Seal everything with the newest key, so that older ones can go."""
        async with self._db.transaction() as tx:
            for row in await self._db.rows("SELECT scope, scope_id, purpose, sealed FROM secrets", within=tx):
                try:
                    sealed = self._keys.rotate(row["sealed"]).decode()
                except InvalidToken:  # sealed with a key that is gone
                    continue
                await tx.execute(
                    "UPDATE secrets SET sealed = ? WHERE scope = ? AND scope_id = ? AND purpose = ?",
                    (sealed, row["scope"], row["scope_id"], row["purpose"]),
                )
