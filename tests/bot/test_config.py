from pathlib import Path

import pytest

from bot.config import BadConfig, Config, read_config


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


SECRET = "very-secret-value"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", SECRET, "valid integer"),
        ("PORT", "70000", "65535"),
        ("STANDBY", SECRET, "valid boolean"),
        ("ENDPOINT_WAIT", "-1", "greater than or equal to 0"),
        ("ENDPOINT_HOSTS", f"https://{SECRET}", "hosts alone"),
        ("ENDPOINT_HOSTS", "one two", "hosts alone"),
        ("HUB", SECRET, "begin with https://"),
        ("ENGINE_CACHE_GIB", "nan", "finite number"),
        ("MAX_DRAW_JOBS", "0", "greater than or equal to 1"),
    ],
)
def test_a_wrong_value_is_said_by_its_name_and_never_quoted(
    tmp_path: Path, name: str, value: str, said: str
) -> None:
    env = tmp_path / ".env"
    env.write_text(f"LIKENESS_{name}={value}\nDISCORD_TOKEN={SECRET}\n")
    with pytest.raises(BadConfig, match=f"^LIKENESS_{name} can't be used: .*{said}") as caught:
        read_config(env)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_each_wrong_value_has_a_line(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("LIKENESS_PORT=x\nLIKENESS_MAX_TRAIN_JOBS=x\n")
    with pytest.raises(BadConfig) as caught:
        read_config(env)
    assert [line.split()[0] for line in str(caught.value).splitlines()] == [
        "LIKENESS_PORT", "LIKENESS_MAX_TRAIN_JOBS",
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_from_windows_is_read(tmp_path: Path, encoding: str) -> None:
    env = tmp_path / ".env"
    env.write_bytes("LIKENESS_BASE=größe/modell\r\nLIKENESS_PORT=1\r\n".encode(encoding))
    config = read_config(env)
    assert (config.base, config.port) == ("größe/modell", 1)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-le"])
def test_a_file_that_can_not_be_understood_is_not_passed_over(tmp_path: Path, encoding: str) -> None:
    env = tmp_path / ".env"
    env.write_bytes("LIKENESS_BASE=größe/modell\n".encode(encoding))
    with pytest.raises(BadConfig, match=r"\.env is no text in UTF-8"):
        read_config(env)


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    env = tmp_path / ".env"
    env.write_text("LIKENESS_HOME=~/likeness\nLIKENESS_BASE=~/models/mine\n")
    config = read_config(env)
    assert (config.home, config.base) == (tmp_path / "likeness", str(tmp_path / "models/mine"))
