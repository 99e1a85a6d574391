"""A memory with a bound."""

from __future__ import annotations

from data.recent import Recent


def test_it_forgets_what_was_set_longest_ago() -> None:
    recent: Recent[str, int] = Recent(2)
    recent["a"], recent["b"] = 1, 2
    recent["a"] = 3
    recent["c"] = 4
    assert dict(recent) == {"a": 3, "c": 4}
