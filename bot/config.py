"""Every setting of the process, from the environment and `.env`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Config(BaseSettings):
    """Settings named `LIKENESS_<FIELD>`, and `DISCORD_TOKEN`. An empty value counts as unset."""

    model_config = SettingsConfigDict(
        env_prefix="LIKENESS_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        populate_by_name=True,
        frozen=True,
    )

    discord_token: SecretStr | None = Field(default=None, validation_alias="DISCORD_TOKEN")
    """None starts the sandbox in place of Discord."""
    home: Path = Path("var")
    """Folder that holds everything that is kept."""
    base: str = "mini"
    """Model that trainings start from: an alias of `inference.bases`, a Hub id or a folder."""
    standby: bool = True
    """Whether a trainer waits with the base loaded, on a machine with an NVIDIA GPU."""
    port: int = Field(default=8642, ge=0, le=65_535)
    """First port of the sandbox's page; 0 takes any."""
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
