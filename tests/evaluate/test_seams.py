from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.errors import ImageError
from restore.evaluate.seams import DEPTH, REACH, SEGMENT, Seams, measure, pooled

SIDE = 96
BORDERS = ([32], [48, 70])


def noise(seed: int = 0, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape or (SIDE, SIDE, 3))


def compared(
    difference: np.ndarray, rows: list[int] = BORDERS[0], columns: list[int] = BORDERS[1]
) -> Seams:
    return measure(difference, np.zeros_like(difference), rows, columns)


def test_where_nothing_differs_the_ratios_are_one() -> None:
    found = compared(np.zeros((SIDE, SIDE, 3)))
    assert (found.ratio, found.step, found.difference) == (1.0, 1.0, 0.0)


def test_a_difference_alike_everywhere_has_ratios_near_one() -> None:
    found = pooled(compared(noise(i, 256, 256, 3)) for i in range(4))
    assert found.ratio == pytest.approx(1, abs=0.02)
    assert found.step == pytest.approx(1, abs=0.1)


def test_the_ratio_is_that_of_the_means() -> None:
    """Twice the difference on the pixels that belong to borders, counted by hand."""
    difference = np.ones((SIDE, SIDE))
    difference[32 - REACH : 32 + REACH] = 2
    for column in BORDERS[1]:
        difference[:, column - REACH : column + REACH] = 2
    found = compared(-difference)
    assert found.ratio == 2
    near = SIDE**2 - (SIDE - 2 * REACH) * (SIDE - 4 * REACH)
    assert found.near.count == near
    assert found.difference == pytest.approx((2 * near + SIDE**2 - near) / SIDE**2)


def test_a_difference_at_borders_alone_is_infinitely_more() -> None:
    difference = np.zeros((SIDE, SIDE))
    difference[31:33] = 1
    assert compared(difference).ratio == math.inf


def test_parts_that_differ_by_a_constant_show_in_the_steps_alone() -> None:
    offsets = np.where(np.arange(SIDE) < 48, 1.0, -1.0)
    difference = np.broadcast_to(offsets[None, :, None], (SIDE, SIDE, 3))
    found = compared(difference + 0.01 * noise(), [], [48])
    assert found.ratio == pytest.approx(1, abs=0.01)
    assert found.step is not None
    assert found.step > 100


def test_a_step_is_no_larger_for_what_changes_its_sign_along_the_border() -> None:
    """An eye passes over it; the same amount with one sign is a line."""
    sign = np.where(np.arange(SIDE) % 2, 1.0, -1.0)
    after = (np.arange(SIDE) >= 48).astype(float)
    found = [
        compared(0.1 * noise() + (along[:, None] * after)[..., None], [], [48]).step
        for along in (sign, np.ones(SIDE))
    ]
    assert found[0] == pytest.approx(1, abs=0.4)
    assert found[1] is not None
    assert found[1] > 5


def test_without_borders_there_is_no_ratio() -> None:
    found = compared(noise(), [], [])
    assert (found.ratio, found.step) == (None, None)
    assert found.difference == pytest.approx(abs(noise()).mean())
    assert Seams().ratio is None
    assert math.isnan(Seams().difference)


def test_pictures_that_are_border_all_over_have_no_ratio() -> None:
    assert compared(noise(0, 4, 4, 3), [2], []).ratio is None
    assert compared(noise(0, 2 * DEPTH - 1, SEGMENT - 1), [3], []).step is None


def test_pictures_of_different_shapes_are_refused() -> None:
    with pytest.raises(ImageError, match="differ in shape"):
        measure(np.zeros((8, 8)), np.zeros((8, 9)), [], [])


borders = st.lists(st.integers(1, 59), max_size=4)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 99), borders, borders, st.floats(0.1, 10))
def test_scale_and_direction_do_not_matter(
    seed: int, rows: list[int], columns: list[int], factor: float
) -> None:
    difference = noise(seed, 60, 60, 3)
    found = compared(difference, rows, columns)
    for other in (
        compared(-factor * difference, rows, columns),
        compared(difference.swapaxes(0, 1), columns, rows),
        compared(difference[::-1], [60 - row for row in rows], columns),
        compared(difference, [*rows, *rows], columns[::-1]),
    ):
        assert other.near.count == found.near.count
        assert other.ratio == pytest.approx(found.ratio)
        assert other.step == pytest.approx(found.step)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 99), borders, borders)
def test_pixels_are_counted_once(seed: int, rows: list[int], columns: list[int]) -> None:
    difference = noise(seed, 60, 60, 3)
    found = compared(difference, rows, columns)
    assert found.near.count + found.elsewhere.count == difference.size
    assert found.difference == pytest.approx(abs(difference).mean())
    assert pooled([found, found]).ratio == pytest.approx(found.ratio)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 99), st.integers(8, 52), st.floats(1, 4))
def test_more_difference_at_a_border_raises_the_ratio(seed: int, row: int, amount: float) -> None:
    difference = noise(seed, 60, 60, 3)
    louder = difference.copy()
    louder[row - 1 : row + 1] *= 1 + amount
    before, after = (compared(x, [row], []).ratio for x in (difference, louder))
    assert before is not None
    assert after is not None
    assert after > before + 0.2 * amount
