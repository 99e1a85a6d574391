"""Tokens are noise on disk, survive a change of keys, and are gone when they are erased."""

import errno
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from data.database import Database
from data.secrets import BadKey, Vault, read_keys

TOKEN = "hf_NobodyMaySeeThis"


async def test_a_secret_comes_back_and_is_not_on_the_disk(db: Database, tmp_path: Path) -> None:
    vault = Vault(db, read_keys(None, tmp_path / "secret.key"))
    await vault.put("user", 1, "hub", SecretStr(TOKEN))
    kept = await vault.get("user", 1, "hub")
    assert kept is not None and kept.get_secret_value() == TOKEN
    assert await vault.get("guild", 1, "hub") is None
    rows = await db.rows("SELECT * FROM secrets")
    assert TOKEN not in str([tuple(row) for row in rows])


async def test_a_new_key_opens_what_the_old_one_sealed_and_takes_over(db: Database) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    await Vault(db, read_keys(old, Path())).put("guild", 7, "endpoint", SecretStr(TOKEN))
    await Vault(db, read_keys(f"{new},{old}", Path())).rotate()
    assert await Vault(db, read_keys(new, Path())).get("guild", 7, "endpoint") == SecretStr(TOKEN)
    assert await Vault(db, read_keys(old, Path())).get("guild", 7, "endpoint") is None


async def test_an_erased_secret_is_gone(db: Database) -> None:
    vault = Vault(db, [Fernet(Fernet.generate_key())])
    for purpose in ("hub", "endpoint"):
        await vault.put("user", 1, purpose, SecretStr(TOKEN))
    assert await vault.delete("user", 1, "hub")
    assert not await vault.delete("user", 1, "hub")
    assert await vault.delete("user", 1)
    assert await db.rows("SELECT 1 FROM secrets") == []


def test_a_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret.key"
    sealed = read_keys(None, file)[0].encrypt(b"x")
    assert file.stat().st_mode & 0o777 == 0o600
    assert read_keys(None, file)[0].decrypt(sealed) == b"x"
    file.chmod(0o644)
    with pytest.raises(BadKey, match="chmod 600"):
        read_keys(None, file)


def test_a_bad_key_is_not_repeated() -> None:
    with pytest.raises(BadKey) as caught:
        read_keys("secretbutwrong", Path())
    assert "secretbutwrong" not in str(caught.value)


def test_a_key_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    file = tmp_path / "secret.key"
    with monkeypatch.context() as broken:
        broken.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            read_keys(None, file)
    assert len(read_keys(None, file)) == 1, "what the first try left does not stand in the way"
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("")
    with pytest.raises(BadKey, match="empty"):
        read_keys(None, file)
