"""Resolve the user's tile options with a model's card to a `TilePolicy`."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from operator import index
from typing import TYPE_CHECKING, Any

from restore.checkpoints.card import TILES, Card, TilePolicy
from restore.errors import UsageError

if TYPE_CHECKING:
    from restore.engine.backend import Backend

_log = logging.getLogger("restore")
AUTO, WINDOW, EXACT, OFF = "auto", "window", "exact", "off"
ALL, SOME, LEAST = "all", "some", "least"
"""How much of every layer is kept in memory (see `Backend`)."""
UNLIMITED = 2**62
"""More pixels than any image has."""
_PATCH = 128
"""Side of the windows of a model whose card has no training patch."""
_SIDE = 1536
"""Side of tiles that are divided into windows: large tiles share fewer pixels."""
_LEAST_SIDE = 16
"""Pixels of the shorter side, below which a reduced image shows nothing of a scene."""
_WINDOWS = 3
"""Side of a tile, in windows, for backends without windows."""


@dataclass(frozen=True)
class TileOptions:
    """How a user wants images to be cut.

    ``policy``: the largest tiles, their overlap, windows and reduction.
    ``hold``: how much of every layer is kept in memory: `ALL`, `SOME` or `LEAST`.
    ``is_fitted``: whether tiles are made smaller where memory is too small for them.
    """

    policy: TilePolicy
    hold: str = SOME
    is_fitted: bool = False

    def for_backend(self, tile: object, backend: Backend) -> TileOptions:
        """Return the same for a backend that may lack windows, or compute all of a layer at once.

        Raises `UsageError` where the user's ``tile`` requires windows or strips.
        """
        options = self
        for needed, instead, has in (
            (WINDOW, AUTO, backend.by_windows),
            (EXACT, OFF, backend.by_strips),
        ):
            if tile == needed and not has:
                raise UsageError(f"tile {tile!r}: backend {backend.name} cannot; use {instead}")
        if not backend.by_windows:
            options = replace(options, policy=without_windows(options.policy))
        return options if backend.by_strips else replace(options, hold=SOME)


def resolve_options(
    tile: str | int | TilePolicy,
    overlap: int | None,
    card: Card,
    reduce: int | str | None = None,
) -> TileOptions:
    """Resolve ``tile``, ``overlap`` and ``reduce``, which `Restorer` explains.

    Raises `UsageError` for anything else.
    """
    policy = resolve_policy(tile, overlap, card, reduce)
    hold = {OFF: ALL, EXACT: LEAST}.get(str(tile), SOME)
    return TileOptions(policy, hold, is_fitted(tile))


def resolve_policy(
    tile: str | int | TilePolicy,
    overlap: int | None,
    card: Card,
    reduce: int | str | None = None,
) -> TilePolicy:
    """Resolve the same options to the policy alone. Raises `UsageError`."""
    return _reduced(_cut(tile, overlap, card), reduce, card)


def _cut(tile: str | int | TilePolicy, overlap: int | None, card: Card) -> TilePolicy:
    policy = tile if isinstance(tile, TilePolicy) else card.tiles
    if overlap is not None:
        policy = replace(policy, overlap=_overlap(overlap))
    if isinstance(tile, TilePolicy) or tile == AUTO:
        return policy
    if tile in (OFF, EXACT):
        # The overlap is for the tiles that replace the whole image when memory runs out.
        return TilePolicy(size=0, overlap=policy.overlap, whole_up_to=UNLIMITED)
    if tile == WINDOW:
        return windowed(policy.window or card.training_patch or _PATCH, policy.overlap)
    size = _whole_number(tile)
    if size < 1:
        raise UsageError(f"tile is {tile!r}; use auto, off, exact, window, or a side in pixels")
    return TilePolicy(size=size, overlap=policy.overlap, whole_up_to=0)


def _overlap(value: Any) -> int:
    try:
        pixels = -1 if isinstance(value, bool) else index(value)
    except TypeError:
        pixels = -1
    if pixels < 0:
        raise UsageError(f"overlap is {value!r}; it is a number of pixels, 0 or more")
    return pixels


def _reduced(policy: TilePolicy, reduce: int | str | None, card: Card) -> TilePolicy:
    if reduce is None:
        return policy
    if reduce == OFF:
        # Tiles would be judged one by one, so a scene that is not reduced is shown whole.
        return replace(policy, whole_up_to=UNLIMITED, reduce_to=0) if policy.reduce_to else policy
    side = 0 if isinstance(reduce, bool) else _whole_number(reduce)
    if side < _LEAST_SIDE:
        raise UsageError(
            f"reduce is {reduce!r}; use off, or pixels of the shorter side, at least {_LEAST_SIDE}"
        )
    if not card.tiles.reduce_to:
        _log.warning("%s judges details, which a reduced image does not show", card.task)
    return replace(policy, reduce_to=side)


def _whole_number(value: Any) -> int:
    """Return 0 for anything that is not a number."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return 0


def is_fitted(tile: object) -> bool:
    """Whether tiles are made smaller where memory is too small for larger ones."""
    return tile in (AUTO, WINDOW)


def uncut(card: Card) -> TilePolicy:
    """Return a policy that shows a network all pixels of an image of any size at once, in the
    windows of the card."""
    return replace(card.tiles, whole_up_to=UNLIMITED, reduce_to=0)


def windowed(window: int, overlap: int = TILES.overlap) -> TilePolicy:
    """Return the policy of a model that judges details and was trained on patches of ``window``
    pixels a side.

    On photographs the result is better than that of whole images, and takes less time than small
    tiles (`restore bench tiling`).
    """
    return TilePolicy(_SIDE, overlap, _SIDE * _SIDE, window=window)


def without_windows(policy: TilePolicy) -> TilePolicy:
    """Replace windows by small tiles, for backends without windows."""
    if not policy.window:
        return policy
    side = _WINDOWS * policy.window
    return replace(policy, size=side, whole_up_to=side * side, window=0)
