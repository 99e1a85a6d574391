from importlib import metadata
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.config import Config
from bot.doctor import Check, examine
from tests.bases import copy_mini, edit, hub_of_bases, make_half, repository
from tests.fakes import ScriptedGpu


async def find(name: str, config: Config, gpu: ScriptedGpu | None = None) -> Check:
    (check,) = [check for check in await examine(config, gpu) if check.name == name]
    return check


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(_env_file=None, home=tmp_path / "home", discord_token=None)


def pretend(
    monkeypatch: pytest.MonkeyPatch, requires: list[str] | None = None, **versions: str | None
) -> None:
    def version(package: str) -> str:
        found = versions[package]
        if found is None:
            raise metadata.PackageNotFoundError(package)
        return found

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(metadata, "requires", lambda package: requires)


@pytest.mark.parametrize(
    ("torch", "torchvision", "requires", "ok"),
    [
        ("2.13.0+cpu", None, None, True),
        ("2.13.0", "0.28.0", ["numpy", "torch==2.13.0"], True),
        ("2.13.0+cu130", "0.28.0+cu130", ["torch==2.13.0"], True),
        ("2.13.0+cu130", "0.28.0", ["torch == 2.13.0"], True),
        ("2.13.0+cpu", "0.28.0+cu130", ["torch==2.13.0"], False),
        ("2.13.0", "0.26.0", ["numpy", "torch==2.11.0"], False),
        (None, None, None, False),
    ],
)
async def test_a_torchvision_for_another_torch_is_found(
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    torch: str | None,
    torchvision: str | None,
    requires: list[str] | None,
    ok: bool,
) -> None:
    pretend(monkeypatch, requires, torch=torch, torchvision=torchvision)
    check = await find("torch", config)
    assert check.ok is ok
    assert ok or "run `" in check.detail


async def test_a_home_that_can_not_be_written_is_found(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check = await find("home", Config(_env_file=None, home=tmp_path / "file" / "home"))
    assert not check.ok and "can't be written" in check.detail


async def test_a_home_that_can_not_even_be_looked_at_hides_no_other_check(tmp_path: Path) -> None:
    checks = await examine(Config(_env_file=None, home=tmp_path / (300 * "x"), discord_token=None), None)
    assert {check.name for check in checks if not check.ok} == {"home", "disk", "database", "key"}
    assert all("long" in check.detail for check in checks if not check.ok)


async def test_a_good_home_is_left_as_it_was(config: Config) -> None:
    assert (await find("home", config)).ok
    assert list(config.home.iterdir()) == []


async def test_files_without_their_database_are_found(config: Config) -> None:
    (config.home / "models/1").mkdir(parents=True)
    check = await find("database", config)
    assert not check.ok and "holds files in models, but no database" in check.detail


async def test_a_disk_with_little_room_is_found(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(2**40, 2**40, 2**30))
    check = await find("disk", config)
    assert not check.ok and "1.0 GiB" in check.detail


async def test_a_base_is_looked_at(config: Config, tmp_path: Path) -> None:
    torn = copy_mini(tmp_path / "torn")
    (torn / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    for base, ok, said in (
        ("mini", True, "96 pixels, epsilon, on this machine"),
        (str(make_half(copy_mini(tmp_path / "half"))), True, "on this machine"),
        (str(torn), False, "lacks usable weights of: vae"),
        ("no such/base", False, "nor a folder, nor an id"),
        ("some/model", False, "can't be reached"),
        ("sd15", True, "its files are unchecked"),
    ):
        check = await find("base", config.model_copy(update={"base": base}))
        assert check.ok is ok and said in check.detail


async def test_a_base_on_the_hub_is_looked_at_there(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = copy_mini(tmp_path / "large")
    edit(large / "model_index.json", _class_name="StableDiffusionXLPipeline")
    with hub_of_bases(monkeypatch, tmp_path / "cache") as hub:
        hub.repos |= {"ann/mini": repository(copy_mini(tmp_path / "mini")), "ann/large": repository(large)}
        for base, ok, said in (
            ("ann/mini", True, "96 pixels, epsilon, complete on the Hugging Face Hub"),
            ("ann/large", False, "StableDiffusionXLPipeline"),
            ("ann/mino", False, "no such model on the Hub"),
        ):
            check = await find("base", config.model_copy(update={"base": base}))
            assert check.ok is ok and said in check.detail


async def test_the_token_is_spoken_of_but_not_shown(config: Config) -> None:
    assert "sandbox" in (await find("discord", config)).detail
    check = await find("discord", config.model_copy(update={"discord_token": SecretStr("very-secret")}))
    assert check.ok and "very-secret" not in check.detail


async def test_the_device_is_asked_for(config: Config) -> None:
    assert "scripted, 1.0 GiB free" in (await find("device", config, ScriptedGpu())).detail

    class Broken(ScriptedGpu):
        async def device(self) -> None:  # type: ignore[override]
            raise ConnectionError("The process that draws pictures ended with exit code 1.")

    check = await find("device", config, Broken())
    assert not check.ok and "exit code 1" in check.detail and "inference.log" in check.detail
