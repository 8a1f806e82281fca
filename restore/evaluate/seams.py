"""Visibility of the borders along which an image was cut.

An image restored in parts differs slightly everywhere from the same image restored whole. A seam is
visible if it differs more along the borders of the parts than elsewhere, or if the difference steps
from one side of a border to the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from restore.evaluate.metrics import check_pair

REACH = 2
"""Pixels on either side of a border that belong to it."""
DEPTH, SEGMENT = 4, 16
"""A step is between means over DEPTH pixels on either side and SEGMENT along the border: an eye
follows a line, and passes over what changes its sign from pixel to pixel."""


@dataclass(frozen=True)
class Mean:
    """A mean to which values can be added; NaN if empty."""

    total: float = 0.0
    count: int = 0

    def __add__(self, other: Mean) -> Mean:
        return Mean(self.total + other.total, self.count + other.count)

    @property
    def value(self) -> float:
        return self.total / self.count if self.count else math.nan


@dataclass(frozen=True)
class Seams:
    """Difference between an image restored in parts and whole, near borders and elsewhere. Those of
    several images can be added; every pixel has equal weight.

    ``near`` and ``elsewhere``: of the absolute difference. ``across`` and ``steps``: of its
    absolute steps, over a border and elsewhere.
    """

    near: Mean = Mean()
    elsewhere: Mean = Mean()
    across: Mean = Mean()
    steps: Mean = Mean()

    def __add__(self, other: Seams) -> Seams:
        return Seams(
            self.near + other.near,
            self.elsewhere + other.elsewhere,
            self.across + other.across,
            self.steps + other.steps,
        )

    @property
    def difference(self) -> float:
        """Mean absolute difference over all pixels."""
        return (self.near + self.elsewhere).value

    @property
    def ratio(self) -> float | None:
        """Seam ratio: the difference near borders divided by that elsewhere. 1 if both are 0, None
        without borders, or if all pixels are near one."""
        return _ratio(self.near, self.elsewhere)

    @property
    def step(self) -> float | None:
        """Steps of the difference over borders, divided by those elsewhere, with the same
        exceptions. Detects parts that each differ by a constant, which `ratio` cannot."""
        return _ratio(self.across, self.steps)


def measure(
    parts: np.ndarray, whole: np.ndarray, rows: Sequence[int], columns: Sequence[int]
) -> Seams:
    """Compare an image restored in parts with the same image restored whole.

    Both are H x W or H x W x C, any dtype. A border at row ``r`` of ``rows`` lies between the rows
    ``r - 1`` and ``r``. Raises `ImageError` for different shapes.
    """
    check_pair(parts, whole)
    difference = parts.astype(np.float64) - whole
    height, width = difference.shape[:2]
    near = _near(height, rows)[:, None] | _near(width, columns)
    absolute = abs(difference)
    over_rows, over_columns = _steps(difference, rows), _steps(difference.swapaxes(0, 1), columns)
    return Seams(
        _mean(absolute[near]),
        _mean(absolute[~near]),
        over_rows[0] + over_columns[0],
        over_rows[1] + over_columns[1],
    )


def pooled(seams: Iterable[Seams]) -> Seams:
    """Return the sum: the figures of several images as one."""
    return reduce(Seams.__add__, seams, Seams())


def _near(length: int, borders: Sequence[int]) -> np.ndarray:
    mask = np.zeros(length, bool)
    for border in borders:
        mask[max(0, border - REACH) : border + REACH] = True
    return mask


def _steps(difference: np.ndarray, borders: Sequence[int]) -> tuple[Mean, Mean]:
    """Return steps down the rows: over the borders, and at places far enough from any."""
    length = len(difference)
    if length < 2 * DEPTH:
        return Mean(), Mean()
    places, steps = steps_down(difference)
    steps = abs(steps)
    distance = abs(places[:, None] - np.array(borders, int)).min(axis=1, initial=length)
    return _mean(steps[:, distance == 0]), _mean(steps[:, distance >= DEPTH])


def steps_down(difference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the places down the rows of H x W or H x W x C where a step fits, as the index of the
    row after it, and the step of each segment (first axis) at each place (second)."""
    length, width = difference.shape[:2]
    segments = max(1, width // SEGMENT)
    along = np.stack([part.mean(axis=1) for part in np.array_split(difference, segments, axis=1)])
    sums = np.cumsum(np.insert(along, 0, 0, axis=1), axis=1)
    places = np.arange(DEPTH, length - DEPTH + 1)
    before, here, after = (sums[:, places + offset] for offset in (-DEPTH, 0, DEPTH))
    return places, ((after - here) - (here - before)) / DEPTH


def _mean(values: np.ndarray) -> Mean:
    return Mean(float(values.sum()), values.size)


def _ratio(here: Mean, there: Mean) -> float | None:
    if not here.count or not there.count:
        return None
    if there.total == 0:
        return math.inf if here.total else 1.0
    return here.value / there.value
