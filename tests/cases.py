"""Small inputs that failed once; they lie beside the repository, not in it."""

from pathlib import Path

import pytest

_FOLDER = Path(__file__).parents[2] / "shared" / "cases"


def case(name: str) -> bytes:
    """The bytes of one; skips the test where it is absent."""
    file = _FOLDER / name
    if not file.is_file():
        pytest.skip(f"{file} is not here")
    return file.read_bytes()
