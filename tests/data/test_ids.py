"""One reading of the numbers that people type."""

import pytest

from data.ids import LARGEST, row_id


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("7", 7),
        (" 12 ", 12),
        ("\uff11\uff12", 12),
        (str(LARGEST), LARGEST),
        (str(LARGEST + 1), None),
        ("9" * 5000, None),
        ("²", None),
        ("①", None),
        ("-1", None),
        ("1.0", None),
        ("", None),
    ],
)
def test_a_number_is_a_row_or_nothing(said: str, meant: int | None) -> None:
    assert row_id(said) == meant
