from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_run import CONFIG

from restore.train.schedule import Schedule

FIRST = Schedule.of(replace(CONFIG, steps=10, warmup_steps=4, final_learning_rate=0.1))


def shares(schedule: Schedule) -> list[float]:
    """The rates of all steps, and of the one after the last, over the highest."""
    steps = range(schedule.begin, schedule.steps + 1)
    return [schedule.rate(step) / schedule.learning_rate for step in steps]


def test_the_learning_rate_warms_up_and_falls_to_its_end() -> None:
    rates = shares(FIRST)
    assert rates[:5] == pytest.approx([0.25, 0.5, 0.75, 1, 1])
    assert rates[7] == pytest.approx(0.55)  # half of the cosine
    assert rates[10] == pytest.approx(0.1)
    assert sorted(rates[4:], reverse=True) == rates[4:]


def test_a_second_stretch_rises_from_the_end_of_the_first() -> None:
    config = replace(CONFIG, steps=20, warmup_steps=3, learning_rate=5e-4, final_learning_rate=0.2)
    second = Schedule.of(config, after=FIRST)
    assert (second.begin, second.begin_rate) == (10, pytest.approx(1e-4))
    rates = [second.rate(step) for step in range(10, 21)]
    assert rates[:4] == pytest.approx([1e-4 + 4e-4 / 3, 1e-4 + 8e-4 / 3, 5e-4, 5e-4])
    assert rates[-1] == pytest.approx(1e-4)
    assert sorted(rates[3:], reverse=True) == rates[3:]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 60), st.floats(0, 1))
def test_rates_stay_between_the_lowest_and_the_highest(
    first: int, more: int, warmup: int, final: float
) -> None:
    config = replace(CONFIG, steps=first, warmup_steps=warmup, final_learning_rate=final)
    begun = Schedule.of(config)
    longer = Schedule.of(replace(config, steps=first + more), after=begun)
    for schedule in (begun, longer):
        rates = [schedule.rate(step) for step in range(schedule.begin, schedule.steps)]
        low = min(schedule.begin_rate, final * schedule.learning_rate)
        assert all(low * (1 - 1e-9) <= rate <= schedule.learning_rate * 1.000001 for rate in rates)
