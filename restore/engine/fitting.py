"""Tiles that fit the memory: found before a picture is restored, and where memory has run out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from restore.checkpoints.card import Card, TilePolicy
from restore.engine import backend as backends
from restore.engine import budget
from restore.engine.allocator import give_back
from restore.engine.backend import Backend
from restore.engine.batches import tiles_at_once
from restore.engine.budget import SMALLEST
from restore.engine.guided import reduced_size
from restore.engine.padding import padded
from restore.engine.policy import EXACT, OFF, is_fitted, windows
from restore.engine.tiling import Axis, plan
from restore.errors import RestoreError
from restore.networks import Pair
from restore.rows import Rows, Sink

_log = logging.getLogger("restore")
_DECIDING = threading.Lock()
"""For threads that share a `Memory`; not its own, as one with a lock could not be copied."""
_FLOATS = 12
"""Bytes of a pixel while it is restored."""
ASIDE = 128 << 20
"""Bytes that no pixel takes: for what oneDNN compiles, up to 60 MiB a model, and for what the C
library loses between pieces, which differs by as much from run to run."""
_FEW = 128
"""Pixels a side, of tiles so small that a user should know."""
WITHOUT_STRIPS = 2.0
"""How much more than torch, whose figure is on the card, a backend takes that computes all of a
layer at once. ONNX Runtime takes up to 810 bytes a pixel for denoise-small in float32 (whole
pictures from 384 x 384 to 1024 x 1024), where torch takes 540 to 710; for others nobody knows."""


@dataclass(frozen=True)
class Attempt:
    """How pictures go through the network this time: ``hold`` says how much of every layer is kept
    in memory (see `Backend`), ``at_once`` how many tiles of a row go together."""

    tiles: TilePolicy
    hold: str
    at_once: int = 1


class Memory:
    """What a model may take: ``most`` bytes, by default a part of what is free, shared by as many
    ``workers`` as restore pictures at a time."""

    def __init__(self, card: Card, backend: Backend, most: int | None, workers: int):
        self._device = backend.compute.device
        measured = card.memory.get(self._device.type, {}).get(backend.compute.precision, 0)
        self._a_pixel = measured * (1 if backend.by_windows else WITHOUT_STRIPS)
        self._multiples = card.network.size_multiple
        self._most, self._workers = most, workers
        self._warned = self._alone = False

    @property
    def is_measured(self) -> bool:
        """Whether anybody knows what the model takes here."""
        return self._a_pixel > 0

    def fitted(
        self,
        policy: TilePolicy,
        images: Sequence[np.ndarray | Rows],
        results: Sequence[np.ndarray | Sink | Rows],
    ) -> TilePolicy:
        """``policy`` with the largest tiles that fit beside ``images`` of one size, which are
        restored at once, and ``results``; the smallest where none do."""
        shape = seen(policy, images[0].shape)
        left = self._left(images, results)
        own = self._taken(*plan(shape, policy, self._multiples), policy.window)
        if len(images) * own > left:
            give_back()  # what is kept for such as this counts as taken
            left = self._left(images, results)
        smallest = replace(policy, size=min(SMALLEST, policy.size), whole_up_to=0)
        for tiles in (policy, *self._smaller(policy), smallest):
            rows, columns = plan(shape, tiles, self._multiples)
            if len(images) * self._taken(rows, columns, policy.window) <= left:
                break
        cut = len(rows.starts) * len(columns.starts) > 1
        if cut and tiles.size < min(policy.size, max(policy.window, _FEW)):
            self._warn(tiles.size, policy.size)
        return tiles

    def at_once(self, policy: TilePolicy, shape: tuple[int, ...], pictures: int) -> int:
        """How many tiles of a row go through the network together, those of one place in all
        ``pictures`` of that shape counted as one: one, once several have proved too many."""
        if self._alone:
            return 1
        rows, columns = plan(seen(policy, shape), policy, self._multiples)
        size = rows.size, columns.size
        return tiles_at_once(self._device, size, len(columns.starts), pictures)

    def lighter(self, attempt: Attempt, shape: tuple[int, ...]) -> Attempt:
        """Another attempt, after one has proved too large for pictures of that shape; logs a
        warning. Raises `RestoreError` where tiles would be too small."""
        if attempt.hold == backends.ALL:
            _log.warning("not enough memory; going on as with tile %s", EXACT)
            return replace(attempt, hold=backends.LEAST)
        if attempt.at_once > 1:
            self._go_alone()
            return replace(attempt, at_once=1)
        axes = plan(seen(attempt.tiles, shape), attempt.tiles, self._multiples)
        before = max(axis.size for axis in axes)
        side = before // 2
        if side < max(SMALLEST, *self._multiples):
            raise RestoreError(f"not enough memory for tiles of {before} pixels a side")
        _log.warning("not enough memory; going on with tiles of %d pixels a side", side)
        return replace(attempt, tiles=replace(attempt.tiles, size=side, whole_up_to=0))

    def _go_alone(self) -> None:
        with _DECIDING:
            before, self._alone = self._alone, True
        if not before:
            _log.warning("not enough memory; going on with one tile at a time")

    def _smaller(self, policy: TilePolicy) -> Iterator[TilePolicy]:
        for side in range(policy.size, SMALLEST, -min(self._multiples)):
            yield replace(policy, size=side, whole_up_to=0)

    def _left(self, images: Sequence[Any], results: Sequence[Any]) -> float:
        """Bytes for all that changes with the size of tiles."""
        most = (self._most or budget.share_of_free(self._device)) / self._workers
        most -= min(ASIDE, most / 4)
        # What is free lacks a picture that is in memory already.
        held = [one for one in images if self._most or isinstance(one, Rows)]
        return most - sum(one.nbytes for one in (*results, *held))

    def _taken(self, rows: Axis, columns: Axis, window: int) -> float:
        """Bytes while the network computes a tile: of that, of the row of tiles it belongs to, and
        of what the row above has given to it. What comes after takes less."""
        height, width = (
            padded(axis.size, multiple * windows(axis.size, multiple, window))
            for axis, multiple in zip((rows, columns), self._multiples, strict=True)
        )
        taken = height * width * self._a_pixel
        if len(rows.starts) * len(columns.starts) == 1:
            return taken
        return taken + (rows.size + rows.shared) * columns.length * _FLOATS

    def _warn(self, side: int, own: int) -> None:
        if not self._warned:
            self._warned = True
            _log.warning(
                "memory allows tiles of %d pixels a side, the model's are %d: they see less and "
                "take longer; give more with max memory, or free some",
                side,
                own,
            )


def held(tile: object) -> str:
    """How much of every layer a user's ``tile`` keeps in memory, as a `Backend` is told."""
    return {OFF: backends.ALL, EXACT: backends.LEAST}.get(str(tile), backends.SOME)


def seen(policy: TilePolicy, shape: tuple[int, ...]) -> Pair:
    """Height and width of what the network sees of a picture."""
    height, width = shape[:2]
    return reduced_size((height, width), policy.reduce_to) if policy.reduce_to else (height, width)


def why_ignored(tile: object, backend: Backend, task: str, model: object) -> str:
    """Why a limit of memory is not kept where tiles are not fitted or nothing is measured, and what
    to do."""
    if not is_fitted(tile):
        return f"tile {tile!r} leaves nothing to choose; use tile auto"
    device, precision = backend.compute.device, backend.compute.precision
    if device.type != "cpu":
        return f"what a model takes is not known on {device.type}; choose a tile size instead"
    return (
        f"the card of {model} does not say what it takes in {precision}; this finds out: "
        f"restore weights measure {task} {model}"
    )
