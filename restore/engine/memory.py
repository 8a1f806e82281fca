"""Tile sizes that fit the memory, before an image is restored and after memory has run out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from restore.checkpoints.card import Card
from restore.engine import budget
from restore.engine.allocator import give_back
from restore.engine.backend import Backend
from restore.engine.batches import tiles_at_once
from restore.engine.budget import SMALLEST
from restore.engine.tile_options import ALL, EXACT, LEAST, TileOptions, is_fitted
from restore.engine.tile_plan import TilePlan, plan_image
from restore.errors import RestoreError
from restore.rows import Rows, Sink

_log = logging.getLogger("restore")
_DECIDING = threading.Lock()
"""For threads that share a `Memory`. Module-wide, since an object with a lock cannot be copied."""
_FLOATS = 12
"""Bytes per pixel of a band of float32 RGB."""
ASIDE = 128 << 20
"""Bytes reserved for fixed overhead: up to 60 MiB per model for code that oneDNN compiles, and up
to as much for memory that the C library loses between pieces; the second varies between runs."""
PER_PARAMETER = 48
"""Bytes reserved for each parameter: weights in two layouts, and strips of layers, which are wider
in larger networks, for tiles of any size."""
_FEW = 128
"""Pixels per side, below which tiles are small enough for a warning."""
WITHOUT_STRIPS = 1.5
"""Memory of a backend that computes whole layers, relative to the torch figure on the card. ONNX
Runtime requires 588 to 603 bytes per pixel for denoise-small in float32 (whole images from 384 x
384 to 1536 x 1536; card: 703), and 2018 for an S-2 (512 x 512; card: 1370). Other models are not
measured."""


class Memory:
    """Plans images within ``most`` bytes, by default a share of the free memory.

    ``workers``: number of threads that restore images at a time and share those bytes.
    """

    def __init__(self, card: Card, backend: Backend, most: int | None, workers: int):
        self._device = backend.compute.device
        measured = card.memory.get(self._device.type, {}).get(backend.compute.precision, 0)
        self._bytes_per_pixel = measured * (1 if backend.by_strips else WITHOUT_STRIPS)
        self._aside = ASIDE + PER_PARAMETER * (card.parameters or 0)
        self._multiples = card.network.size_multiple
        self._task = card.task
        self._most, self._workers = most, workers
        self._warned = self._alone = False

    @property
    def is_measured(self) -> bool:
        """Whether the model's memory per pixel is known on this device."""
        return self._bytes_per_pixel > 0

    @property
    def is_bounded(self) -> bool:
        """Whether the user has set a limit."""
        return self._most is not None

    def plan(
        self,
        options: TileOptions,
        images: Sequence[np.ndarray | Rows],
        results: Sequence[np.ndarray | Sink | Rows],
    ) -> TilePlan:
        """Plan ``images`` of one size, which are restored together into ``results``.

        Fitted tiles are the largest that fit next to both, or the smallest where none fit.
        """
        plan = plan_image(images[0].shape, options.policy, self._multiples, options.hold)
        if options.is_fitted and self.is_measured:
            plan = self._fitted(plan, images, results)
        return replace(plan, at_once=self._count_at_once(plan, len(images)))

    def warn_if_ignored(self, tile: object, backend: Backend, model: object) -> None:
        """Log why a memory limit, if there is one, has no effect, and what to do."""
        if not self._most or (is_fitted(tile) and self.is_measured):
            return
        precision = backend.compute.precision
        if not is_fitted(tile):
            why = f"tile {tile!r} leaves nothing to choose; use tile auto"
        elif self._device.type != "cpu":
            why = f"the model is not measured on {self._device.type}; choose a tile size instead"
        else:
            why = (
                f"the card of {model} has no measured memory in {precision}; to measure it: "
                f"restore weights measure {self._task} {model}"
            )
        _log.warning("the memory limit is ignored: %s", why)

    def lighter(self, plan: TilePlan) -> TilePlan:
        """Return a plan that requires less memory than one that ran out of it; log a warning.

        Raises `RestoreError` where tiles would become too small.
        """
        if plan.hold == ALL:
            _log.warning("not enough memory; going on as with tile %s", EXACT)
            return replace(plan, hold=LEAST)
        if plan.at_once > 1:
            self._go_alone()
            return replace(plan, at_once=1)
        before = max(plan.rows.size, plan.columns.size)
        side = before // 2
        if side < max(SMALLEST, *self._multiples):
            raise RestoreError(f"not enough memory for tiles of {before} pixels a side")
        _log.warning("not enough memory; going on with tiles of %d pixels a side", side)
        return plan.with_tiles_of(side)

    def _fitted(
        self,
        plan: TilePlan,
        images: Sequence[np.ndarray | Rows],
        results: Sequence[np.ndarray | Sink | Rows],
    ) -> TilePlan:
        left = self._left(images, results)
        if len(images) * self._required(plan) > left:
            give_back()  # pages kept for such images count as used
            left = self._left(images, results)
        for found in self._candidates(plan):
            if len(images) * self._required(found) <= left:
                break
        policy = plan.policy
        if found.tiles > 1 and found.policy.size < min(policy.size, max(policy.window, _FEW)):
            self._warn(found.policy.size, policy.size)
        return found

    def _candidates(self, plan: TilePlan) -> Iterator[TilePlan]:
        """From the largest tiles to the smallest."""
        yield plan
        for side in range(plan.policy.size, SMALLEST, -min(self._multiples)):
            yield plan.with_tiles_of(side)
        yield plan.with_tiles_of(min(SMALLEST, plan.policy.size))

    def _count_at_once(self, plan: TilePlan, images: int) -> int:
        """How many tiles of a row go through the network together, with the same tiles of all
        ``images``: 1, once several have run out of memory."""
        if self._alone:
            return 1
        size = plan.rows.size, plan.columns.size
        return tiles_at_once(self._device, size, len(plan.columns.starts), images)

    def _go_alone(self) -> None:
        with _DECIDING:
            before, self._alone = self._alone, True
        if not before:
            _log.warning("not enough memory; going on with one tile at a time")

    def _left(self, images: Sequence[Any], results: Sequence[Any]) -> float:
        """Bytes for everything whose size depends on the tiles."""
        most = (self._most or budget.share_of_free(self._device)) / self._workers
        most -= min(self._aside, most * 2 / 3)
        # Free memory does not include arrays that exist already.
        held = [one for one in images if self._most or isinstance(one, Rows)]
        return most - sum(one.nbytes for one in (*results, *held))

    def _required(self, plan: TilePlan) -> float:
        """Bytes while the network computes a tile: for the tile, for its row of tiles, and for the
        part of that row which the row above has blended. Later steps require less."""
        height, width = plan.tile.size
        required = height * width * self._bytes_per_pixel
        if plan.tiles == 1:
            return required
        return required + (plan.rows.size + plan.rows.shared) * plan.columns.length * _FLOATS

    def _warn(self, side: int, own: int) -> None:
        if not self._warned:
            self._warned = True
            _log.warning(
                "memory allows tiles of %d pixels a side, the model's are %d: they see less and "
                "take longer; give more with max memory, or free some",
                side,
                own,
            )
