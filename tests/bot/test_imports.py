"""The bot's process stays small: nothing that it imports brings in the heavy libraries."""

import subprocess
import sys

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
