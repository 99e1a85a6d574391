from pathlib import Path

import pytest

from tests.training import QUICK, make_job


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job of 8 steps on three selfies."""
    return make_job(tmp_path / "job", QUICK)
