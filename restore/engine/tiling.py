"""Cutting a large picture into overlapping tiles and blending the results.

All tiles of a picture have the same size. Neighbours share an overlap in which their weights
cross-fade along a raised cosine, so no seam can show.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from restore.checkpoints.card import TilePolicy
from restore.engine.padding import padded

Place = tuple[slice, slice]
Run = Callable[[Sequence[Place]], Sequence[np.ndarray]]
Band = tuple[slice, np.ndarray]
"""Which rows, and what is in them: ... x rows x W x C float32."""


@dataclass(frozen=True)
class Axis:
    """Tiles along one axis: each ``size`` long, beginning at ``starts``."""

    length: int
    size: int
    starts: tuple[int, ...]

    @property
    def shared(self) -> int:
        """How much the first two tiles have in common, and others to rounding."""
        return self.size - self.starts[1] if len(self.starts) > 1 else 0

    def weights(self) -> list[np.ndarray]:
        """Blending weights of each tile: ``size`` values that, over all tiles, sum to one at
        every place along the axis."""
        indices = range(len(self.starts))
        total = np.zeros(self.length)
        for i in indices:
            total[self._span(i)] += self._window(i)
        return [(self._window(i) / total[self._span(i)]).astype(np.float32) for i in indices]

    def borders(self) -> tuple[int, ...]:
        """Where a seam could show, as indices of what comes after it: where a tile begins, where
        the one before it ends, and halfway between, where neighbours weigh the same."""
        pairs = [(start, before + self.size) for before, start in pairwise(self.starts)]
        return tuple(sorted({b for start, end in pairs for b in (start, (start + end) // 2, end)}))

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


def plan_axes(
    shape: tuple[int, ...], policy: TilePolicy, multiples: tuple[int, int]
) -> tuple[Axis, Axis]:
    """Place the tiles of an image of this height and width along its rows and its columns.

    ``multiples``: the network's size rule, for heights and widths.
    """
    limits = tuple(padded(length, m) for length, m in zip(shape, multiples, strict=True))
    if limits[0] * limits[1] > policy.whole_up_to:  # counted as padded: thin pictures grow
        limits = tuple(max(m, policy.size // m * m) for m in multiples)
    rows, columns = (
        plan_axis(length, limit, policy.overlap, m)
        for length, limit, m in zip(shape, limits, multiples, strict=True)
    )
    return rows, columns


def run_tiled(rows: Axis, columns: Axis, run: Run, at_once: int = 1) -> Iterator[Band]:
    """Apply ``run`` to all tiles and blend: the picture from top to bottom, each band of rows as
    soon as no tile to come reaches into it. No more is held than a row of tiles, what the one above
    has given to it and what ``run`` has just made, where the caller lets go of each band before it
    asks for the next.

    ``run`` gets the places, rows and columns, of ``at_once`` neighbours in a row, or of those that
    are left of it, and returns as many ... x h x w x C float32. Its errors are the caller's to see:
    nothing is swallowed.
    """
    if len(rows.starts) == len(columns.starts) == 1:
        yield slice(0, rows.length), run([(slice(0, rows.length), slice(0, columns.length))])[0]
        return
    across = [slice(left, left + columns.size) for left in columns.starts]
    row_weights, column_weights = rows.weights(), columns.weights()
    below: np.ndarray | None = None  # what the tiles above have given to the next
    for i, top in enumerate(rows.starts):
        down = slice(top, top + rows.size)
        band: np.ndarray | None = None
        for first in range(0, len(across), at_once):
            group = across[first : first + at_once]
            tiles = run([(down, place) for place in group])
            if band is None:
                shape = (*tiles[0].shape[:-3], rows.size, columns.length, tiles[0].shape[-1])
                band = np.zeros(shape, np.float32)
                if below is not None:
                    band[..., : below.shape[-3], :, :] = below
            for j, (place, tile) in enumerate(zip(group, tiles, strict=True), first):
                weights = row_weights[i][:, None, None] * column_weights[j][None, :, None]
                band[..., place, :] += tile * weights
            del tiles, tile  # they need not be there while the next are made
        assert band is not None
        end = rows.starts[i + 1] - top if i + 1 < len(rows.starts) else rows.size
        below = band[..., end:, :, :].copy()  # a view would keep all of the band
        band = band[..., :end, :, :]
        yield slice(top, top + end), band
