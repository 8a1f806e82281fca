"""Efficiency of several workers."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from command import one_error_line, restore
from models import save_model

from restore.benchmark.folder_scaling import even_names, measure, steady_rate
from restore.errors import RestoreError
from restore.jobs.outcome import FAILED, Outcome
from restore.jobs.shard import Shard


def paced(seconds: float) -> Callable[..., None]:
    def run(source: Path, target: Path, on_outcome: Callable[[Outcome], object]) -> None:
        for path in sorted(source.iterdir()):
            time.sleep(seconds)
            on_outcome(Outcome(path, target / path.name))

    return run


def test_efficiency_is_that_of_several_over_their_number_times_one() -> None:
    found = measure(paced(0.02), paced(0.02), 2, 16, (8, 8), ".png", 3, lambda done, total: None)
    assert found.efficiency == found.together / (2 * found.one)
    assert 0.3 < found.efficiency < 0.8  # two workers as slow as one
    assert (found.workers, found.pictures, found.rounds) == (2, 16, 3)


def test_a_failure_raises_instead_of_a_figure() -> None:
    def fail(source: Path, target: Path, on_outcome: Callable[[Outcome], object]) -> None:
        on_outcome(Outcome(source, target, FAILED, "no memory"))

    with pytest.raises(RestoreError, match="failed: no memory"):
        measure(fail, fail, 2, 4, (8, 8), ".png", 1, lambda done, total: None)
    with pytest.raises(RestoreError, match="too few"):
        steady_rate([1.0])


def test_the_start_and_the_end_are_left_out() -> None:
    starting = [0.0, 50.0]
    assert steady_rate([*starting, *(50.0 + n for n in range(1, 7))]) == pytest.approx(1)


def test_shards_get_equal_numbers_of_files() -> None:
    names = [*even_names(30, 3, ".png")]
    owners = Counter(i for name in names for i in (1, 2, 3) if Shard(i, 3).holds(name))
    assert owners == {1: 10, 2: 10, 3: 10}
    assert len({*names}) == 30


@pytest.mark.slow
def test_the_command_states_the_efficiency_of_shards(tmp_path: Path) -> None:
    model = save_model(tmp_path, identity=True)
    size = ("--height", "32", "--width", "32", "--pictures", "32", "--format", "png")
    done = restore("bench", "folder", "--model", model, *size, "--shards", "2", "--json")
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["workers"], found["executor"]) == (2, "local")
    assert found["efficiency"] == pytest.approx(found["together"] / (2 * found["one"]))
    assert found["one"] > 0


def test_an_unknown_executor_is_named_with_the_known_ones() -> None:
    done = restore("bench", "folder", "--executor", "nothing")
    assert one_error_line(done, code=2) == "error: --executor is 'nothing'; use local, ray"
