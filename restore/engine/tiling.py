"""Overlapping tiles of a large image, and the blending of their results.

All tiles of an image have the same size. Neighbours share an overlap in which their weights
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
"""Rows of an image, and their pixels: ... x rows x W x C float32."""


@dataclass(frozen=True)
class Axis:
    """Tiles along one axis of ``length`` pixels: each ``size`` pixels long, from ``starts`` on."""

    length: int
    size: int
    starts: tuple[int, ...]

    @property
    def shared(self) -> int:
        """Pixels shared by the first two tiles; other neighbours share as many, up to rounding."""
        return self.size - self.starts[1] if len(self.starts) > 1 else 0

    def weights(self) -> list[np.ndarray]:
        """Return the blending weights of each tile: ``size`` values. Over all tiles, they sum to
        one at every pixel of the axis."""
        indices = range(len(self.starts))
        total = np.zeros(self.length)
        for i in indices:
            total[self._span(i)] += self._window(i)
        return [(self._window(i) / total[self._span(i)]).astype(np.float32) for i in indices]

    def borders(self) -> tuple[int, ...]:
        """Return where a seam could show, as indices of the pixel after it: where a tile begins,
        where the one before it ends, and halfway, where both have the same weight."""
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
    """Place equal tiles of at most ``tile`` pixels that share at least ``overlap`` pixels, as few
    as possible and then as small as possible.

    Tiles are a multiple of ``multiple`` long, at least one multiple.

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
    if limits[0] * limits[1] > policy.whole_up_to:  # counted as padded: thin images grow
        limits = tuple(max(m, policy.size // m * m) for m in multiples)
    rows, columns = (
        plan_axis(length, limit, policy.overlap, m)
        for length, limit, m in zip(shape, limits, multiples, strict=True)
    )
    return rows, columns


def run_tiled(rows: Axis, columns: Axis, run: Run, at_once: int = 1) -> Iterator[Band]:
    """Apply ``run`` to all tiles and blend; yield the image from top to bottom, each band of rows
    as soon as it is final.

    Memory is needed for a row of tiles, for the part that the row above has blended into it, and
    for the last results of ``run``, if the caller drops each band before it requests the next.

    ``run`` maps the places (rows and columns) of ``at_once`` neighbours in a row, or of the rest of
    the row, to as many ... x h x w x C float32. Its errors are raised unchanged.
    """
    if len(rows.starts) == len(columns.starts) == 1:
        yield slice(0, rows.length), run([(slice(0, rows.length), slice(0, columns.length))])[0]
        return
    across = [slice(left, left + columns.size) for left in columns.starts]
    row_weights, column_weights = rows.weights(), columns.weights()
    below: np.ndarray | None = None  # blended by the tiles above
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
            del tiles, tile  # frees memory before the next are made
        assert band is not None
        end = rows.starts[i + 1] - top if i + 1 < len(rows.starts) else rows.size
        below = band[..., end:, :, :].copy()  # a view would keep all of the band
        band = band[..., :end, :, :]
        yield slice(top, top + end), band
