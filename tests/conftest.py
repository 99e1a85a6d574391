"""What every test shares: the machine's cores are few, and nothing is fetched from outside.

Three tests run at once on two cores, for one of them mostly waits; each one's processes compute with one
thread.
"""

import os
from collections.abc import Generator

import pytest

from data.cores import share_cores
from data.imports import heavy_imports

share_cores()
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

_LONGEST = ("test_sandbox_page.py", "test_process.py", "test_restart.py", "test_local.py")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Nearly all modules are imported here: the garbage of each test is then looked for among its own."""
    with heavy_imports():
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: one that came last would keep the other cores waiting."""
    items.sort(key=lambda item: item.path.name not in _LONGEST)
