"""Every setting of the process, from the environment and `.env`."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from data.disk import typed_path

ENV_FILE = Path(".env")


class BadConfig(ValueError):
    """Settings that can't be used: a line for each, which names it and never holds what was set."""


def read_config(env_file: Path = ENV_FILE, **fixed: Any) -> Config:
    """The settings of this process, but for those that are `fixed`. Raises BadConfig."""
    try:
        return Config(_env_file=env_file, _env_file_encoding=_encoding(env_file), **fixed)
    except ValidationError as error:
        # Not chained: the text of pydantic's own error quotes the value, which may be a secret.
        raise BadConfig("\n".join(_sentence(one["loc"], one["msg"]) for one in error.errors())) from None
    except UnicodeError:
        raise BadConfig(f"{env_file.absolute()} is no text in UTF-8: save it in that encoding.") from None
    except OSError as error:
        raise BadConfig(f"{env_file.absolute()} can't be read: {error.strerror}.") from error


def _encoding(env_file: Path) -> str:
    """Of a text file that may have been written on Windows. Raises OSError, UnicodeError."""
    beginning = env_file.read_bytes()[:200] if env_file.is_file() else b""
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in beginning:
        raise UnicodeError
    return "utf-8-sig"


def _sentence(place: tuple[int | str, ...], message: str) -> str:
    name = str(place[0])
    setting = name if name.isupper() else f"LIKENESS_{name.upper()}"
    reason = message.removeprefix("Value error, ")
    return f"{setting} can't be used: {reason[0].lower()}{reason[1:]}. See .env.example."


class Config(BaseSettings):
    """Settings named `LIKENESS_<FIELD>`, and `DISCORD_TOKEN`. An empty value counts as unset."""

    model_config = SettingsConfigDict(
        env_prefix="LIKENESS_",
        env_ignore_empty=True,
        extra="ignore",
        populate_by_name=True,
        frozen=True,
    )

    discord_token: SecretStr | None = Field(default=None, validation_alias="DISCORD_TOKEN")
    """None starts the sandbox in place of Discord."""
    home: Path = Path("var")
    """Folder that holds everything that is kept. `~` is the home folder, here and in `base`."""
    base: str = "mini"
    """Model that trainings start from: an alias of `inference.bases`, a Hub id or a folder."""
    standby: bool = True
    """Whether a trainer waits with the base loaded, on a machine with an NVIDIA GPU."""
    port: int = Field(default=8642, ge=0, le=65_535)
    """First port of the sandbox's page; 0 takes any."""
    engine_cache_gib: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Memory that the drawing process may fill with weights of models not in use; None takes a share."""
    secret_key: SecretStr | None = None
    """Keys that seal people's tokens, newest first, with commas between; None keeps one in `home`."""
    endpoint_hosts: str = ""
    """Hosts, or hosts with a port, with commas between, that people's endpoints may have beside Hugging
    Face's own: they get people's tokens, also over plain HTTP and on this machine."""
    endpoint_wait: int = Field(default=900, ge=0, le=7200)
    """Seconds that a start of an endpoint may be waited for."""
    hub: str = "https://huggingface.co"
    """The Hub that tokens are checked with, and that models are published to."""
    publish_single_file: bool = True
    """Whether a published model is there as one file as well: other programs take that, endpoints download it
    at each start for nothing."""
    max_train_jobs: int = Field(default=2, ge=1)
    """Trainings that one person may have waiting or running."""
    max_draw_jobs: int = Field(default=5, ge=1)
    """Drawings that one person may have waiting or running."""

    @field_validator("home", "base")
    @classmethod
    def _expand(cls, value: Path | str) -> Path | str:
        return type(value)(typed_path(str(value))) if str(value).startswith("~") else value

    @field_validator("endpoint_hosts")
    @classmethod
    def _check_hosts(cls, value: str) -> str:
        if "/" in value or len(value.split()) > len(value.split(",")):
            raise ValueError("it takes hosts alone, like my-host or my-host:8080, with commas between")
        return value

    @field_validator("hub")
    @classmethod
    def _check_hub(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("it has to begin with https:// or http://")
        return value
