"""The fidelity benchmark's arithmetic."""

from __future__ import annotations

import pytest

from benchmarks.fidelity import Case, summarise, table
from benchmarks.fidelity_run import PERSONS, overlap, recipe_of
from data.toys import IDENTITY
from data.toys.traits import PERSON_VALUES


def test_the_class_is_kept_as_far_as_its_spread_is() -> None:
    short, long = (dict.fromkeys(IDENTITY, value) for value in ("short", "long"))
    assert overlap([short, long], [long, short]) == 1.0
    assert overlap([short, long], [short, short]) == 0.5
    assert overlap([short], [long]) == 0.0


def test_a_row_for_each_way_of_training() -> None:
    figures = [{"subject": value, "prompt": 1.0, "class_spread": 0.5} for value in (0.6, 0.8)]
    found = [(Case("lora", True, person, 0), one) for person, one in enumerate(figures)]
    (row,) = summarise(found)
    assert (row["method"], row["prior"], row["runs"]) == ("lora", True, 2)
    assert row["subject"] == pytest.approx(0.7)
    assert row["subject_deviation"] == pytest.approx(0.1414, abs=1e-3)
    assert "| lora | yes | 0.70 ± 0.14 | 1.00 ± 0.00 | 0.50 ± 0.00 | 2 |" in table([row])


def test_cases_differ_only_in_what_they_compare() -> None:
    with_prior, alone = recipe_of(Case("full", True, 0, 0)), recipe_of(Case("full", False, 0, 0))
    assert with_prior.model_copy(update={"prior_weight": 0.0}) == alone
    for identity in PERSONS:
        assert {*identity} == {*IDENTITY}
        assert all(value in PERSON_VALUES[name] for name, value in identity.items())
