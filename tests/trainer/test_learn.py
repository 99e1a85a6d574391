"""How the time left is told."""

import pytest

from trainer.learn import Pace


def test_the_slow_start_does_not_count_once_there_is_more() -> None:
    pace = Pace(100.0, 0)
    assert pace.at(130.0, 10) == pytest.approx(3.0)
    assert pace.at(131.0, 20) == pytest.approx(0.1)
    assert pace.at(132.0, 30) == pytest.approx(0.1)
    assert pace.seconds == pytest.approx(0.1)


def test_a_resumed_run_counts_its_own_steps_only() -> None:
    assert Pace(0.0, 500).at(2.0, 510) == pytest.approx(0.2)
