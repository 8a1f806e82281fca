"""How one image goes through a network: computed once and handed down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from restore.checkpoints.card import TilePolicy
from restore.engine.padding import Padding, margin, padded
from restore.engine.tile_options import SOME
from restore.engine.tiling import Axis, plan_axes
from restore.networks import Pair


@dataclass(frozen=True)
class PaddedTile:
    """A tile as the input of a network.

    ``windows``: number of windows that grid mixing is confined to, down and across.
    ``padding``: what is added to the tile.
    ``size``: height and width with padding.
    """

    windows: Pair
    padding: Padding
    size: Pair


@dataclass(frozen=True)
class TilePlan:
    """How one image is reduced, cut into tiles and padded.

    ``policy``: the policy it was made by.
    ``multiples``: the network's size rule, for heights and widths.
    ``rows``, ``columns``: tiles along each axis of the image, or of the reduced image.
    ``hold``: how much of every layer is kept in memory (see `Backend`).
    ``at_once``: number of tiles of a row that go through the network together.
    """

    policy: TilePolicy
    multiples: Pair
    rows: Axis
    columns: Axis
    hold: str = SOME
    at_once: int = 1

    @property
    def shown(self) -> Pair:
        """Height and width of the image as the network sees it: reduced, if the policy says so."""
        return self.rows.length, self.columns.length

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return len(self.rows.starts) * len(self.columns.starts)

    @cached_property
    def tile(self) -> PaddedTile:
        """Every tile as a network's input."""
        return pad_tile((self.rows.size, self.columns.size), self.multiples, self.policy.window)

    @cached_property
    def turned_tile(self) -> PaddedTile:
        """Every tile, turned by a quarter, as a network's input."""
        return pad_tile((self.columns.size, self.rows.size), self.multiples, self.policy.window)

    @property
    def pixels(self) -> int:
        """Pixels that the network computes, including overlaps and padding."""
        height, width = self.tile.size
        return height * width * self.tiles

    def borders(self) -> tuple[Sequence[int], Sequence[int]]:
        """Return where tiles and windows of the image meet, by rows and by columns, each as the
        index of the pixel after the border. Both are empty for reduced images."""
        if self.policy.reduce_to:
            return (), ()
        rows, columns = (
            sorted({*axis.borders(), *window_borders(axis, multiple, self.policy.window)})
            for axis, multiple in zip((self.rows, self.columns), self.multiples, strict=True)
        )
        return rows, columns

    def with_tiles_of(self, side: int) -> TilePlan:
        """Return the plan of the same image in tiles of at most ``side`` pixels a side."""
        policy = replace(self.policy, size=side, whole_up_to=0)
        rows, columns = plan_axes(self.shown, policy, self.multiples)
        return replace(self, policy=policy, rows=rows, columns=columns)


def plan_image(
    shape: Sequence[int], policy: TilePolicy, multiples: Pair, hold: str = SOME
) -> TilePlan:
    """Plan an image of ``shape``, which begins with height and width."""
    size = shape[0], shape[1]
    if policy.reduce_to:
        size = reduced_size(size, policy.reduce_to)
    return TilePlan(policy, multiples, *plan_axes(size, policy, multiples), hold)


def pad_tile(size: Pair, multiples: Pair, window: int) -> PaddedTile:
    """Pad a tile of (height, width) to equal windows of about ``window`` pixels a side, each a
    multiple of ``multiples``; a window of 0 is the whole tile."""
    axes = [*zip(size, multiples, strict=True)]
    down, across = (count_windows(length, multiple, window) for length, multiple in axes)
    rows, columns = (m * n for m, n in zip(multiples, (down, across), strict=True))
    return PaddedTile(
        windows=(down, across),
        padding=Padding(margin(size[0], rows), margin(size[1], columns)),
        size=(padded(size[0], rows), padded(size[1], columns)),
    )


def reduced_size(size: Pair, side: int) -> Pair:
    """Return (height, width) of an image of ``size`` whose shorter side is reduced to ``side``
    pixels. A smaller image keeps its size."""
    height, width = size
    shorter = min(size)
    if shorter <= side:
        return size
    return round(height * side / shorter), round(width * side / shorter)


def count_windows(length: int, multiple: int, side: int) -> int:
    """Return the number of equal windows along an axis, each two thirds to one and a half times
    ``side`` pixels long.

    The number chosen requires the least padding to windows that ``multiple`` divides. A ``side``
    of 0 is one window.
    """
    if not side or length <= side:
        return 1
    counts = range(max(1, -(-2 * length // (3 * side))), 3 * length // (2 * side) + 1)
    return min(counts, key=lambda n: (-length % (n * multiple), abs(length / n - side)))


def window_borders(axis: Axis, multiple: int, side: int) -> Iterator[int]:
    """Yield where the windows of every tile meet, as indices of the pixel after the border."""
    count = count_windows(axis.size, multiple, side)
    odd, before = margin(axis.size, multiple * count)
    length = (axis.size + odd + 2 * before) // count
    for start in axis.starts:
        yield from (start + i * length - before for i in range(1, count))
