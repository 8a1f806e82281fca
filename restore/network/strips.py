"""How layers go over a feature map: all of it at once, or in strips of rows.

Nearly every layer of MAXIM sees near pixels only, so it can be computed for some rows at a time,
with a few rows more around them. The grid mix sees far pixels, but only those at the same offset in
their cells: it can be computed for some offsets at a time. Channel attention needs the mean of a
whole map, which is there when the layer before has passed over it. So the result is the same, to
rounding, and of all that a block makes on its way little is ever held at once.

Maps are N x H x W x C.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.network.config import Pair
from restore.network.fused import window_means

Run = Callable[..., Tensor]
Layer = Callable[[Sequence[Tensor]], Tensor]


class Whole:
    """All of a map at once: for training, and where memory is no question.

    ``windows`` is into how many windows, down and across, a picture is cut for grid mix and channel
    attention, which then see no further than their own window.
    """

    spares = False
    """Whether computing once more is better than holding."""

    def __init__(self, windows: Pair = (1, 1)):
        self.windows = windows

    def window(self, x: Tensor) -> Pair | None:
        """Height and width of the windows of a map that holds all of them; None if it is one."""
        if self.windows == (1, 1):
            return None
        return x.shape[1] // self.windows[0], x.shape[2] // self.windows[1]

    def in_rows(self, x: Tensor) -> bool:
        """Whether the grid mix can go by rows as well, for a strip holds whole windows."""
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
        """``run(*maps)``, for a layer whose rows depend on near rows.

        ``height`` is that of the result, by default of the first map; all heights are powers of two
        times each other. A row of the result depends on those up to ``halo`` rows away. Strips
        begin at multiples of ``multiple``. The result may be written into ``into``, of its shape,
        which may be one of the maps where ``halo`` is 0.
        """
        return run(*maps)

    def offsets(self, run: Run, *maps: Tensor, cells: int, into: Tensor) -> Tensor:
        """``run(*maps)``, for a layer whose pixels depend on those at the same offsets in the cells
        of each window, ``cells`` down; into ``into``, which may be one of the maps."""
        return run(*maps)

    def later(self, run: Run, x: Tensor) -> tuple[Tensor, Run]:
        """A map, and what must be done to each of its pixels to have ``run(x)``: nothing more, or
        all, where computing is cheaper than holding."""
        return run(x), _same

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """``x + y``; ``x`` may be gone afterwards."""
        return x + y

    def add_gated(self, x: Tensor, y: Tensor, gate: Run) -> Tensor:
        """``x + y * gate(mean)``, with the mean of ``y`` over each window, N x down x across x C;
        ``y`` may be gone afterwards.

        Between the middles of windows gates fade into each other, so that no border shows.
        """
        gates = gate(window_means(y, *self.windows))
        if self.windows == (1, 1):
            return self._add_product(x, y, gates)
        rows, height = torch.arange(y.shape[1], device=y.device), y.shape[1]

        def run(x: Tensor, y: Tensor, rows: Tensor) -> Tensor:
            return x.addcmul(y, _faded(gates, rows[0], height, y.shape[2]))

        return self.rows(run, x, y, rows[None], into=y)

    def _add_product(self, x: Tensor, y: Tensor, factor: Tensor) -> Tensor:
        return x.addcmul(y, factor)


WHOLE = Whole()


def _together(*maps: Tensor) -> Sequence[Tensor]:
    return maps


class Strips(Whole):
    """Some rows at a time, for inference alone: maps are written over.

    ``most`` is how many numbers of a map a strip holds, at least about; one of the layers within a
    block may hold some times as many. ``spares`` computes some of a block's maps again rather than
    hold them. ``behind`` is called behind every layer that went by strips.
    """

    def __init__(
        self,
        most: int,
        windows: Pair = (1, 1),
        spares: bool = False,
        behind: Callable[[], None] | None = None,
    ):
        super().__init__(windows)
        self.most = most
        self.spares = spares
        self._behind = behind or (lambda: None)

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
        # A strip and what surrounds it are whole rows of the coarsest map.
        coarsest = max(1, *(height // x.shape[1] for x in maps))
        halo = _up(halo, coarsest)
        size = _step(height, _numbers(maps), self.most, math.lcm(multiple, coarsest))
        if size >= height:
            return run(*maps)
        for start in range(0, height, size):
            stop = min(height, start + size)
            first, last = max(0, start - halo), min(height, stop + halo)
            around = run(*(_rows(x, first, last, height) for x in maps))
            strip = around[:, start - first : stop - first]
            if into is None:
                into = strip.new_empty(strip.shape[0], height, *strip.shape[2:])
            into[:, start:stop] = strip
        del around, strip
        self._behind()
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
        self._behind()
        return into

    def later(self, run: Run, x: Tensor) -> tuple[Tensor, Run]:
        return (x, run) if self.spares else (self.rows(run, x), _same)

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        return x.add_(y)

    def _add_product(self, x: Tensor, y: Tensor, factor: Tensor) -> Tensor:
        return torch.addcmul(x, y, factor, out=y)


@dataclass(frozen=True)
class Parts:
    """What a layer's input is the concatenation of, handed over to it: once it has used them, maps
    that nobody else holds are gone.

    The input is made when it is needed: ``made(*maps)``, ``height`` rows (by default those of the
    first map), each of which is made of rows up to ``halo`` away.
    """

    maps: list[Tensor]
    made: Callable[..., Sequence[Tensor]] = _together
    halo: int = 0
    height: int | None = None

    def through(
        self, layer: Layer, walk: Whole, halo: int = 0, height: int | None = None
    ) -> Tensor:
        """The result of a layer that sees ``halo`` rows around, and changes the height to
        ``height``."""
        result = self._run(layer, walk, halo, height)
        self.maps.clear()
        return result

    def held(self, layer: Layer, walk: Whole) -> tuple[Tensor, Parts]:
        """The result of a layer, and what it can be had of once more: itself, or these parts where
        computing is cheaper than holding."""
        result = self._run(layer, walk)
        if not walk.spares:
            self.maps.clear()
            return result, Parts([result])
        made = self.made
        again = Parts(self.maps, lambda *maps: [layer(made(*maps))], self.halo, result.shape[1])
        return result, again

    def beside(self, run: Run, *maps: Tensor, walk: Whole, into: Tensor) -> Tensor:
        """``run(part, *maps)`` of the only part there is, pixel by pixel; see `Whole.rows`."""
        own = len(self.maps)

        def both(*strips: Tensor) -> Tensor:
            (part,) = self.made(*strips[:own])
            return run(part, *strips[own:])

        # Rows of ``into`` that are written already come again around the next strip: what is made
        # of them is cut off.
        every = (*self.maps, *maps)
        result = walk.rows(both, *every, height=into.shape[1], halo=self.halo, into=into)
        self.maps.clear()
        return result

    def _run(self, layer: Layer, walk: Whole, halo: int = 0, height: int | None = None) -> Tensor:
        return walk.rows(
            lambda *strips: layer(self.made(*strips)),
            *self.maps,
            height=height or self.height or self.maps[0].shape[1],
            halo=self.halo + halo,
        )

    def behind(self, first: Run, x: Tensor) -> Parts:
        """These parts, behind ``first(x)``."""
        self.maps.insert(0, x)
        return Parts(
            self.maps,
            lambda x, *strips: (first(x), *self.made(*strips)),
            self.halo,
            self.height,
        )


def _same(x: Tensor) -> Tensor:
    return x


def _faded(gates: Tensor, rows: Tensor, height: int, width: int) -> Tensor:
    """Gates of windows, N x down x across x C, at all pixels of some rows of a map: bilinear, with
    half-pixel centres."""
    down = gates.shape[1]
    place = ((rows + 0.5) * (down / height) - 0.5).clamp(0, down - 1)
    above = place.long()
    share = (place - above)[:, None, None].to(gates.dtype)
    of_rows = torch.lerp(gates[:, above], gates[:, (above + 1).clamp(max=down - 1)], share)
    # N x rows x across x C: the rows are there; the columns are to come
    resized = F.interpolate(of_rows.permute(0, 3, 1, 2), (len(rows), width), mode="bilinear")
    return resized.permute(0, 2, 3, 1)


def _rows(x: Tensor, first: int, last: int, height: int) -> Tensor:
    """Of a map, what belongs to some rows of one that is ``height`` high."""
    return x[:, first * x.shape[1] // height : last * x.shape[1] // height]


def _numbers(maps: Sequence[Tensor]) -> int:
    return max(x[0].numel() for x in maps)


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _step(count: int, numbers: int, most: int, multiple: int) -> int:
    """Into how long parts to cut ``count`` rows that hold ``numbers``: all but the last alike."""
    parts = min(-(-numbers // most), count)
    return _up(-(-count // parts), multiple)
