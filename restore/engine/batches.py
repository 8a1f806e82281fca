"""Number of images, or tiles of them, that go through the network at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from restore.networks import Pair

if TYPE_CHECKING:
    from restore.engine.precision import DeviceLike

FILLS_A_GPU = 2**18
"""Pixels that keep a GPU busy: several images go together if they have half as many or fewer."""
MOST_AT_ONCE = 8


def batch_size(device: DeviceLike, size: Pair) -> int:
    """Return how many images of (height, width) are restored together.

    On a CPU, one: a single image keeps the CPU busy, and in a batch the last digits of float32
    would differ. On a GPU, a power of two, so that a run that continues after a multiple of
    `MOST_AT_ONCE` frames has the same groups, and the same digits.
    """
    if device.type != "cuda":
        return 1
    fitting = min(max(1, FILLS_A_GPU // (size[0] * size[1])), MOST_AT_ONCE)
    return 1 << (fitting.bit_length() - 1)


def tiles_at_once(device: DeviceLike, size: Pair, row: int, pictures: int = 1) -> int:
    """Return how many tiles of (height, width) in a ``row`` of tiles are restored together, each
    from as many ``pictures``: at least one, and otherwise at most `batch_size` in all.

    A row is divided into the fewest groups, all equal except for the last: a GPU has to warm up for
    each size.
    """
    most = max(1, batch_size(device, size) // pictures)
    groups = math.ceil(row / most)
    return math.ceil(row / groups)


def grouped(
    images: Sequence[np.ndarray], most: int, progress: Callable[[float, int], None]
) -> Iterator[tuple[Sequence[np.ndarray], Callable[[float, int], None]]]:
    """Yield groups of at most ``most`` images, each with its part of ``progress``."""
    count = math.ceil(len(images) / most)

    def report(before: int, done: float, total: int) -> None:
        progress(before * total + done, count * total)

    for number in range(count):
        yield images[number * most : (number + 1) * most], partial(report, number)
