"""How layers traverse a feature map: all of it at once, or in strips of rows.

Nearly every layer of MAXIM depends on near pixels only, so it can be computed for some rows at a
time, with a few more rows around them. The grid mix depends on far pixels, but only on those at the
same offset in their cells: it can be computed for some offsets at a time. Channel attention needs
the mean of a whole map, which is known once the layer before has passed over it. The result is the
same, to rounding, and only a small part of a block's intermediate maps is held at once.

Maps are N x H x W x C.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.networks import work
from restore.networks.architecture import Pair
from restore.networks.fast.onednn import window_means

Run = Callable[..., Tensor]


class WholeMaps:
    """Compute every layer for a whole map at once, where memory is no concern.

    ``windows`` are the numbers of windows, down and across, to which grid mixing and channel
    attention are confined.
    """

    recomputes = False
    """Whether computing a map again is preferred to holding it."""

    def __init__(self, windows: Pair = (1, 1)):
        self.windows = windows

    def window(self, x: Tensor) -> Pair | None:
        """Return height and width of the windows of a whole map; None if it is one window."""
        if self.windows == (1, 1):
            return None
        return x.shape[1] // self.windows[0], x.shape[2] // self.windows[1]

    def in_rows(self, x: Tensor) -> bool:
        """Whether the grid mix can be computed by rows too: a strip holds whole windows."""
        return True

    def rows(
        self,
        run: Run,
        *maps: Tensor,
        height: int | None = None,
        halo: int = 0,
        multiple: int = 1,
        into: Tensor | None = None,
    ) -> Tensor:
        """Return ``run(*maps)``, for a layer whose rows depend on near rows.

        ``height`` is that of the result, by default of the first map; all heights are powers of two
        times each other. A row of the result depends on rows up to ``halo`` away. Strips begin at
        multiples of ``multiple``. The result may be written into ``into``, which has its shape and
        may be one of the maps where ``halo`` is 0.
        """
        return run(*maps)

    def offsets(self, run: Run, *maps: Tensor, cells: int, into: Tensor) -> Tensor:
        """Return ``run(*maps)``, for a layer whose pixels depend on those at the same offsets in
        the cells of each window, ``cells`` down. The result may be written into ``into``, which may
        be one of the maps."""
        return run(*maps)

    def deferred(self, run: Run, x: Tensor) -> tuple[Tensor, Run]:
        """Run now, or defer: return ``(result, identity)``, or ``(x, run)`` where recomputing is
        cheaper than storing. ``run`` is computed pixel by pixel."""
        return run(x), _identity

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``x + y``; ``x`` may be written over."""
        return x + y

    def add_gated(self, x: Tensor, y: Tensor, gate: Run) -> Tensor:
        """Return ``x + y * gate(means)``; ``y`` may be written over.

        ``means`` are those of ``y`` over each window, N x down x across x C. Gates are interpolated
        between the centres of windows, so that no border shows.
        """
        gates = gate(window_means(y, *self.windows))
        if self.windows == (1, 1):
            return self._add_product(x, y, gates)
        rows, height = torch.arange(y.shape[1], device=y.device), y.shape[1]

        def run(x: Tensor, y: Tensor, rows: Tensor) -> Tensor:
            return x.addcmul(y, _interpolated(gates, rows[0], height, y.shape[2]))

        return self.rows(run, x, y, rows[None], into=y)

    def _add_product(self, x: Tensor, y: Tensor, factor: Tensor) -> Tensor:
        return x.addcmul(y, factor)


WHOLE = WholeMaps()


class RowStrips(WholeMaps):
    """Compute some rows at a time. Only for inference: maps are written over.

    ``most`` is about how many numbers of a map a strip holds; layers within a block may hold a
    multiple of that. ``recomputes``: some of a block's maps are computed again rather than held.
    ``after`` is called after every layer that was computed in strips.
    """

    def __init__(
        self,
        most: int,
        windows: Pair = (1, 1),
        recomputes: bool = False,
        after: Callable[[], None] | None = None,
    ):
        super().__init__(windows)
        self.most = most
        self.recomputes = recomputes
        self._after = after or (lambda: None)

    def in_rows(self, x: Tensor) -> bool:
        return x[0].numel() // self.windows[0] <= self.most

    def rows(
        self,
        run: Run,
        *maps: Tensor,
        height: int | None = None,
        halo: int = 0,
        multiple: int = 1,
        into: Tensor | None = None,
    ) -> Tensor:
        height = height or maps[0].shape[1]
        # A strip and its halo are whole rows of the coarsest map.
        coarsest = max(1, *(height // x.shape[1] for x in maps))
        halo = _up(halo, coarsest)
        size = _step(height, _numbers(maps), self.most, math.lcm(multiple, coarsest))
        if size >= height:
            return run(*maps)
        for start in range(0, height, size):
            stop = min(height, start + size)
            first, last = max(0, start - halo), min(height, stop + halo)
            with work.counted_as((stop - start) / (last - first)):
                around = run(*(_rows(x, first, last, height) for x in maps))
            strip = around[:, start - first : stop - first]
            if into is None:
                into = strip.new_empty(strip.shape[0], height, *strip.shape[2:])
            into[:, start:stop] = strip
        del around, strip
        self._after()
        assert into is not None
        return into

    def offsets(self, run: Run, *maps: Tensor, cells: int, into: Tensor) -> Tensor:
        count = maps[0].shape[1] // (self.windows[0] * cells)
        size = _step(count, _numbers(maps), self.most, 1)
        split = (self.windows[0], cells, count)
        for start in range(0, count, size):
            chosen = slice(start, start + size)
            # N x windows x cells x offsets x W x C, to N x rows x W x C
            views = (x.unflatten(1, split)[:, :, :, chosen] for x in maps)
            result = run(*(view.flatten(1, 3) for view in views))
            into.unflatten(1, split)[:, :, :, chosen] = result.unflatten(1, (*split[:2], -1))
            del views, result
        self._after()
        return into

    def deferred(self, run: Run, x: Tensor) -> tuple[Tensor, Run]:
        return (x, run) if self.recomputes else (self.rows(run, x), _identity)

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        return x.add_(y)

    def _add_product(self, x: Tensor, y: Tensor, factor: Tensor) -> Tensor:
        return torch.addcmul(x, y, factor, out=y)


def _identity(x: Tensor) -> Tensor:
    return x


def _interpolated(gates: Tensor, rows: Tensor, height: int, width: int) -> Tensor:
    """Interpolate gates of windows, N x down x across x C, at all pixels of some rows of a map:
    bilinear, with half-pixel centres."""
    down = gates.shape[1]
    place = ((rows + 0.5) * (down / height) - 0.5).clamp(0, down - 1)
    above = place.long()
    share = (place - above)[:, None, None].to(gates.dtype)
    of_rows = torch.lerp(gates[:, above], gates[:, (above + 1).clamp(max=down - 1)], share)
    # N x rows x across x C; the columns are still to be interpolated
    resized = F.interpolate(of_rows.permute(0, 3, 1, 2), (len(rows), width), mode="bilinear")
    return resized.permute(0, 2, 3, 1)


def _rows(x: Tensor, first: int, last: int, height: int) -> Tensor:
    """Return the rows of a map that correspond to some rows of one that is ``height`` high."""
    return x[:, first * x.shape[1] // height : last * x.shape[1] // height]


def _numbers(maps: Sequence[Tensor]) -> int:
    return max(x[0].numel() for x in maps)


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _step(count: int, numbers: int, most: int, multiple: int) -> int:
    """Return the length of the parts into which ``count`` rows with ``numbers`` values are cut; all
    but the last are equal."""
    parts = min(-(-numbers // most), count)
    return _up(-(-count // parts), multiple)
