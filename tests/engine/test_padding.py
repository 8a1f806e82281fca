from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from restore.engine.padding import Padding, margin

LENGTHS = st.integers(1, 150)
MULTIPLES = st.integers(1, 40).map(lambda n: 2 * n)


def numbered(height: int, width: int) -> np.ndarray:
    """No two pixels alike, so that a misplaced one shows."""
    return np.arange(height * width * 3, dtype=np.float32).reshape(height, width, 3)


def officially(image: np.ndarray, multiple: int) -> np.ndarray:
    """The padding of the official evaluation, written from its description."""
    height, width = image.shape[:2]
    even = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="reflect")
    rows, columns = (-side % multiple // 2 for side in even.shape[:2])
    return np.pad(even, ((rows, rows), (columns, columns), (0, 0)), mode="reflect")


@settings(deadline=None)
@given(LENGTHS, LENGTHS, MULTIPLES)
@example(1, 1, 64)
@example(1, 7, 64)
@example(65, 63, 64)
def test_pads_as_the_official_evaluation(height: int, width: int, multiple: int) -> None:
    image = numbered(height, width)
    padding = Padding(margin(height, multiple), margin(width, multiple))
    padded = padding.apply(image)
    np.testing.assert_array_equal(padded, officially(image, multiple))
    np.testing.assert_array_equal(padding.crop(padded), image)


@given(LENGTHS, MULTIPLES)
def test_pads_no_more_than_the_size_rule_asks(length: int, multiple: int) -> None:
    odd, half = margin(length, multiple)
    total = length + odd + 2 * half
    assert total % multiple == 0
    assert total - length < multiple


def test_each_axis_has_its_own_multiple() -> None:
    padded = Padding(margin(9, 8), margin(9, 32)).apply(numbered(9, 9))
    assert padded.shape == (16, 32, 3)


@pytest.mark.parametrize("side", [8, 16])
def test_a_size_that_fits_is_not_copied(side: int) -> None:
    image = numbered(side, side)
    assert Padding(margin(side, 8), margin(side, 8)).apply(image) is image
