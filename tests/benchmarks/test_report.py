"""The file of figures keeps the newest of each benchmark, with where it comes from."""

import json
from pathlib import Path

from benchmarks.report import FILE, Row, percentile, publish


def test_a_new_run_takes_the_place_of_its_own_former_figures_only(tmp_path: Path) -> None:
    publish("load", [Row("acknowledged", 0.2)], "python -m benchmarks load", tmp_path)
    publish("pictures", [Row("one", 3.0)], "python -m benchmarks pictures", tmp_path)
    publish("load", [Row("acknowledged", 0.1)], "python -m benchmarks load --people 9", tmp_path)
    kept = json.loads((tmp_path / FILE).read_text())
    assert set(kept) == {"load", "pictures"}
    assert kept["load"]["rows"] == [{"what": "acknowledged", "value": 0.1, "unit": "s"}]
    assert kept["load"]["command"] == "python -m benchmarks load --people 9"
    assert kept["load"]["machine"] and kept["load"]["date"]


def test_the_percentile_of_few_values_is_one_of_them() -> None:
    assert [percentile([3.0, 1.0, 2.0], share) for share in (0.0, 0.5, 0.95, 1.0)] == [1.0, 2.0, 3.0, 3.0]
    assert percentile([float(number) for number in range(1, 21)], 0.95) == 19.0
