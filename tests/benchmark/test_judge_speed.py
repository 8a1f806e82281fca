"""`restore bench judge`, in a real process."""

from __future__ import annotations

import json

from command import restore

from restore.benchmark.judge_speed import BASELINE


def test_it_times_the_judge_beside_a_model() -> None:
    outcome = restore("bench", "judge", "--size", "300x200", "--rounds", "1", "--json")
    values = json.loads(outcome.stdout)
    assert values["size"] == [300, 200]
    assert values["first"] > 0
    assert values["seconds"] > 0
    assert 0 < values["of_baseline"] < 50
    assert BASELINE in restore("bench", "judge", "--help").stdout
