from __future__ import annotations

import threading
import time

import pytest

from restore.pipe import piped


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_results_come_in_order(threads: int, ahead: int) -> None:
    def slow_at_first(n: int) -> int:
        time.sleep(0.02 if n < 3 else 0)
        return n * n

    assert list(piped(range(9), slow_at_first, threads, ahead)) == [n * n for n in range(9)]


def test_stages_work_at_the_same_time_and_hold_a_bounded_number() -> None:
    meeting = threading.Barrier(2, timeout=10)  # both stages must be in it at once to go on
    taken = []

    def source() -> object:
        for n in range(6):
            taken.append(n)
            yield n

    def meet(n: int) -> int:
        meeting.wait()
        return n

    def first(n: int) -> int:
        return meet(n) if n % 2 else n  # odd ones wait for the even ones of the second stage

    def second(n: int) -> int:
        return n if n % 2 else meet(n)

    results = piped(piped(source(), first, 1, 1), second, 1, 1)  # type: ignore[var-annotated, arg-type]
    assert next(results) == 0
    assert max(taken) <= 4
    assert list(results) == [1, 2, 3, 4, 5]


def test_an_error_reaches_the_caller_and_what_has_begun_ends() -> None:
    ended = []

    def work(n: int) -> int:
        if n == 2:
            raise ValueError("two")
        time.sleep(0.05)
        ended.append(n)
        return n

    with pytest.raises(ValueError, match="two"):
        list(piped(range(100), work, 2, 4))
    assert len(ended) < 10


def test_who_stops_early_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    results = piped(range(1000), lambda n: n, 2, 3)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
