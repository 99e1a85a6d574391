"""What the bot imports: nothing heavy, so that its process stays small, and nothing that may vanish."""

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement

_IMPORT_ALL = """
import importlib, pkgutil, sys
import bot
for module in pkgutil.walk_packages(bot.__path__, "bot."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert "bot.app" in sys.modules and "bot.gpu.local" in sys.modules
print(*(name for name in ("torch", "diffusers", "transformers", "accelerate") if name in sys.modules))
"""


def test_no_module_of_the_bot_imports_torch() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORT_ALL], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_no_version_of_discord_py_is_taken_whose_private_modules_nobody_looked_at() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    (taken,) = [line for line in project["project"]["dependencies"] if line.startswith("discord.py")]
    assert Requirement(taken).specifier.contains(version("discord.py"))
    assert not Requirement(taken).specifier.contains("2.8.0")
