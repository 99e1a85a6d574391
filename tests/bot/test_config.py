from pathlib import Path

import pytest

from bot.config import Config


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISCORD_TOKEN", "LIKENESS_HOME", "LIKENESS_BASE", "LIKENESS_MAX_TRAIN_JOBS"):
        monkeypatch.delenv(name, raising=False)


def read(env_file: Path | None = None) -> Config:
    return Config(_env_file=env_file)


def test_without_any_setting_the_sandbox_runs_with_the_mini_model() -> None:
    config = read()
    assert (config.discord_token, config.home, config.base) == (None, Path("var"), "mini")


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = tmp_path / ".env"
    env.write_text("LIKENESS_HOME=/from/file\nLIKENESS_BASE=sd15\nDISCORD_TOKEN=file-token\nOTHER=1\n")
    monkeypatch.setenv("LIKENESS_BASE", "sd21")
    config = read(env)
    assert (config.home, config.base) == (Path("/from/file"), "sd21")
    assert config.discord_token is not None and config.discord_token.get_secret_value() == "file-token"


def test_an_empty_token_is_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "")
    assert read().discord_token is None


def test_the_token_shows_in_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "very-secret")
    config = read()
    assert "very-secret" not in f"{config!r} {config} {config.model_dump()} {config.model_dump_json()}"


def test_a_limit_below_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIKENESS_MAX_TRAIN_JOBS", "0")
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        read()
