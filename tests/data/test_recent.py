from data.recent import Recent


def test_what_was_not_used_for_longest_makes_room() -> None:
    known: Recent[str, int] = Recent(2)
    known["a"], known["b"] = 1, 2
    assert known["a"] == 1
    known["c"] = 3
    assert dict(known) == {"a": 1, "c": 3}
    assert "b" not in known and known.get("b") is None
    known["a"] = 4
    known["d"] = 5
    assert dict(known) == {"a": 4, "d": 5}
