"""Cutting a large picture into overlapping tiles and blending the results.

All tiles of a picture have the same size. Neighbours share an overlap in which their weights
cross-fade along a raised cosine, so no seam can show.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

Run = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Axis:
    """Tiles along one axis: each ``size`` long, beginning at ``starts``."""

    length: int
    size: int
    starts: tuple[int, ...]

    def weights(self) -> list[np.ndarray]:
        """Blending weights of each tile: ``size`` values that, over all tiles, sum to one at
        every place along the axis."""
        indices = range(len(self.starts))
        total = np.zeros(self.length)
        for i in indices:
            total[self._span(i)] += self._window(i)
        return [(self._window(i) / total[self._span(i)]).astype(np.float32) for i in indices]

    def _span(self, index: int) -> slice:
        return slice(self.starts[index], self.starts[index] + self.size)

    def _window(self, index: int) -> np.ndarray:
        window = np.ones(self.size)
        start = self.starts[index]
        if index > 0:
            shared = self.starts[index - 1] + self.size - start
            window[:shared] *= _rise(shared)
        if index + 1 < len(self.starts):
            shared = start + self.size - self.starts[index + 1]
            window[self.size - shared :] *= _rise(shared)[::-1]
        return window


def _rise(length: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(math.pi * (np.arange(length) + 0.5) / length)


def plan_axis(length: int, tile: int, overlap: int, multiple: int) -> Axis:
    """Tiles of at most ``tile`` (a multiple of ``multiple``, at least one) with at least
    ``overlap`` in common, all equal and as small as their number allows.

    ``length`` must be at least the tile size that results, or a multiple of ``multiple``.
    """
    tile = max(multiple, tile // multiple * multiple)
    if length <= tile:
        return Axis(length, length, (0,))
    overlap = min(overlap, tile // 2)
    count = math.ceil((length - overlap) / (tile - overlap))
    size = math.ceil((length + (count - 1) * overlap) / count / multiple) * multiple
    size = min(size, tile)
    last = length - size
    return Axis(length, size, tuple(round(i * last / (count - 1)) for i in range(count)))


def run_tiled(
    image: np.ndarray, rows: Axis, columns: Axis, run: Run, done: Callable[[int, int], None]
) -> np.ndarray:
    """Apply ``run`` (... x h x w x C float32 in and out) to every tile and blend.

    ``done`` is called with the number of finished tiles and the number of all. An error in a
    tile is the caller's to see: nothing is swallowed.
    """
    tiles = list(_tiles(rows, columns))
    if len(tiles) == 1:
        result = run(image)
        done(1, 1)
        return result
    out = np.zeros(image.shape, dtype=np.float32)
    row_weights, column_weights = rows.weights(), columns.weights()
    for finished, (i, j) in enumerate(tiles, 1):
        y, x = rows.starts[i], columns.starts[j]
        place = np.s_[..., y : y + rows.size, x : x + columns.size, :]
        weights = row_weights[i][:, None, None] * column_weights[j][None, :, None]
        out[place] += run(image[place]) * weights
        done(finished, len(tiles))
    return out


def _tiles(rows: Axis, columns: Axis) -> Iterator[tuple[int, int]]:
    for i in range(len(rows.starts)):
        for j in range(len(columns.starts)):
            yield i, j
