"""Images restored from top to bottom in bands of rows, as a plan says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from restore.checkpoints.card import FLOAT32, Card
from restore.engine import pixels
from restore.engine.allocator import give_back
from restore.engine.budget import NotEnoughMemoryError
from restore.engine.drawings import keep_drawings
from restore.engine.guided import Carried, evidence, reduced, strips
from restore.engine.memory import Memory
from restore.engine.precision import Compute
from restore.engine.share import Share
from restore.engine.symmetries import turn, turn_back
from restore.engine.tile_plan import TilePlan
from restore.engine.tiling import Band, Place, run_tiled
from restore.errors import RestoreError
from restore.networks import Pair
from restore.rows import Rows, Sink

Forward = Callable[[np.ndarray, Pair, str, Share], np.ndarray]
"""N x h x w x 3 float32 of a size that the network takes, its windows, how much of every layer to
hold, and what is told the share that is done (see `Backend`), to N x h x w x 3 float32."""
Progress = Callable[[float, int], None]
"""Called with the number of finished tiles, which has a fraction within a tile, and of all."""
SEEN = 0.9
"""Share of the time of a reduced image that the network takes. Its change is carried over to all
pixels in the rest: in 3 of 37 seconds for 12 MP with dehaze-s1."""


@dataclass(frozen=True)
class TiledPass:
    """Applies a network to images of one size.

    ``progress``: called after every tile of every view, and within one that takes long.
    ``ensemble``: whether to average over the eight symmetries of the square.
    ``card``: of the model, which says whether drawn content is left unchanged.
    ``compute``: named in errors.
    ``memory``: returns the plan to start over with after memory has run out. Under a limit, memory
    that the C library keeps for later is returned after each row of tiles, which costs some time.
    """

    forward: Forward
    plan: TilePlan
    progress: Progress
    ensemble: bool
    card: Card
    compute: Compute
    memory: Memory

    @property
    def views(self) -> int:
        """Number of symmetries that each tile is restored in."""
        return 8 if self.ensemble else 1

    @property
    def total(self) -> int:
        """Number of tiles in all views."""
        return self.views * self.plan.tiles

    def restore(
        self,
        images: Sequence[np.ndarray | Rows],
        results: Sequence[np.ndarray | Sink],
        strength: float,
    ) -> None:
        """Assign ``images``, restored and blended with themselves, to ``results`` by rows.

        Raises `RestoreError` where the network's result is not finite.
        """
        greys = [pixels.is_grey(image) for image in images]
        attempt = self
        while True:
            try:
                attempt._assign(images, greys, results, strength)
                return
            except NotEnoughMemoryError:
                attempt = replace(attempt, plan=self.memory.lighter(attempt.plan))

    def _assign(
        self,
        images: Sequence[np.ndarray | Rows],
        greys: Sequence[bool],
        results: Sequence[np.ndarray | Sink],
        strength: float,
    ) -> None:
        for rows, bands in self.bands(images):
            for image, grey, result, band in zip(images, greys, results, bands, strict=True):
                for strip in strips(len(band)):
                    place = slice(rows.start + strip.start, rows.start + strip.stop)
                    self._check_finite(band[strip])
                    result[place] = pixels.from_float(band[strip], image[place], grey, strength)
            del bands, band  # before the next ones are made

    def _check_finite(self, restored: np.ndarray) -> None:
        if not np.isfinite(restored).all():
            precision = self.compute.precision
            advice = "" if precision == FLOAT32 else f"; try precision {FLOAT32}"
            raise RestoreError(f"{self.card.name} produced NaN or infinity in {precision}{advice}")

    def bands(self, images: Sequence[np.ndarray | Rows]) -> Iterator[Band]:
        """Yield rows, and N x rows x W x 3 float32 restored, of ``images`` from top to bottom."""
        side = self.plan.policy.reduce_to
        if not side:
            yield from self._tiled(images)
            return
        small = [reduced(image, side) for image in images]
        within = replace(self, progress=lambda done, total: self.progress(SEEN * done, total))
        better = np.concatenate([band for _, band in within._tiled(small)], axis=1)
        height = images[0].shape[0]
        changes = [
            Carried(before, before + evidence(before) * (after - before), height)
            for before, after in zip(small, better, strict=True)
        ]
        for rows in strips(height):
            pairs = zip(images, changes, strict=True)
            better_rows = [change(rows, pixels.to_float(image[rows])) for image, change in pairs]
            yield rows, _stacked(better_rows)
            carried = rows.stop / height
            part = 1 if carried == 1 else SEEN + (1 - SEEN) * carried
            self.progress(part * self.total, self.total)

    def _tiled(self, images: Sequence[np.ndarray | Rows]) -> Iterator[Band]:
        """Pass every pixel through the network."""
        plan, finished, told = self.plan, 0, 0.0

        def within(tiles: int, share: float) -> None:
            nonlocal told
            told = finished + share * tiles
            self.progress(told, self.total)

        def report(tiles: int) -> None:
            nonlocal finished
            for _ in range(tiles):
                finished += 1
                if finished > told:  # tiles of one group are finished together
                    self.progress(finished, self.total)

        def run(places: Sequence[Place]) -> list[np.ndarray]:
            count = len(places)
            tiles = _stacked(
                [pixels.to_float(image[place]) for place in places for image in images]
            )
            restored = self._averaged(tiles, partial(within, count), partial(report, count))
            if self.card.keeps_drawings:
                restored = keep_drawings(tiles, restored)
            return np.split(restored, count)

        for band in run_tiled(plan.rows, plan.columns, run, plan.at_once):
            yield band
            del band
            if self.memory.is_bounded:
                give_back()

    def _averaged(self, tiles: np.ndarray, within: Share, report: Callable[[], None]) -> np.ndarray:
        """Restore N x h x w x 3 float32 tiles: the mean over their first ``views`` symmetries."""
        total = None
        for view in range(self.views):
            turned = turn(tiles, view)
            tile = self.plan.turned_tile if view % 2 else self.plan.tile
            padded = tile.padding.apply(turned)
            restored = self.forward(padded, tile.windows, self.plan.hold, within)
            result = turn_back(tile.padding.crop(restored), view)
            total = result if total is None else total + result
            report()
        assert total is not None
        return total / self.views if self.views > 1 else total


def _stacked(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images of one shape as one array; a single one is not copied."""
    return images[0][None] if len(images) == 1 else np.stack(images)
