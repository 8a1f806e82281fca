"""How an image is reduced and cut for a network, as a card, a head and a user's options say."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

from restore.checkpoints.card import TILES, Card, TilePolicy
from restore.engine.padding import margin
from restore.engine.tiling import Axis
from restore.errors import UsageError

_log = logging.getLogger("restore")
AUTO, WINDOW, EXACT, OFF = "auto", "window", "exact", "off"
_ALL = 2**62
"""More pixels than any picture has."""
_PATCH = 128
"""Side of the windows of a model whose card does not say on what it was trained."""
_SIDE = 1536
"""Of tiles that are cut into windows themselves: the larger, the less is computed twice."""
_LEAST_SIDE = 16
"""Pixels of the shorter side, below which a reduced image shows nothing of a scene."""
_WINDOWS = 3
"""A side of a tile, in windows, where a backend knows none."""


def asked(
    tile: str | int | TilePolicy,
    overlap: int | None,
    card: Card,
    reduce: int | str | None = None,
) -> TilePolicy:
    """Resolve a user's ``tile``, ``overlap`` and ``reduce``, as `Restorer` explains them.

    Raises `UsageError`.
    """
    return _reduced(_cut(tile, overlap, card), reduce, card)


def _cut(tile: str | int | TilePolicy, overlap: int | None, card: Card) -> TilePolicy:
    policy = tile if isinstance(tile, TilePolicy) else card.tiles
    if overlap is not None:
        if isinstance(overlap, bool) or not isinstance(overlap, int) or overlap < 0:
            raise UsageError(f"overlap is {overlap!r}; it is a number of pixels, 0 or more")
        policy = replace(policy, overlap=overlap)
    if tile == AUTO or isinstance(tile, TilePolicy):
        return policy
    if tile in (OFF, EXACT):
        # The overlap is for where memory runs out.
        return TilePolicy(size=0, overlap=policy.overlap, whole_up_to=_ALL)
    if tile == WINDOW:
        return windowed(policy.window or card.training_patch or _PATCH, policy.overlap)
    try:
        size = int(tile)
    except (TypeError, ValueError, OverflowError):
        size = 0
    if size < 1:
        raise UsageError(f"tile is {tile!r}; use auto, off, exact, window, or a side in pixels")
    return TilePolicy(size=size, overlap=policy.overlap, whole_up_to=0)


def _reduced(policy: TilePolicy, reduce: int | str | None, card: Card) -> TilePolicy:
    if reduce is None:
        return policy
    if reduce == OFF:
        # A scene that is no longer reduced is seen whole: tiles would be judged one by one.
        return replace(policy, whole_up_to=_ALL, reduce_to=0) if policy.reduce_to else policy
    try:
        side = 0 if isinstance(reduce, bool) else int(reduce)
    except (TypeError, ValueError, OverflowError):
        side = 0
    if side < _LEAST_SIDE:
        raise UsageError(
            f"reduce is {reduce!r}; use off, or pixels of the shorter side, at least {_LEAST_SIDE}"
        )
    if not card.tiles.reduce_to:
        _log.warning("%s judges details, which a reduced image does not show", card.task)
    return replace(policy, reduce_to=side)


def is_fitted(tile: object) -> bool:
    """Whether tiles are made smaller where the memory holds no larger ones."""
    return tile in (AUTO, WINDOW)


def uncut(card: Card) -> TilePolicy:
    """For a picture of any size, all of whose pixels go through the network at once, as those of a
    tile do under "auto"."""
    return replace(card.tiles, whole_up_to=_ALL, reduce_to=0)


def windowed(window: int, overlap: int = TILES.overlap) -> TilePolicy:
    """For a model that judges what is near, and was trained on patches of ``window`` pixels: on
    photographs this is better than whole pictures, and quicker than small tiles
    (`restore bench tiling`)."""
    return TilePolicy(_SIDE, overlap, _SIDE * _SIDE, window=window)


def without_windows(policy: TilePolicy) -> TilePolicy:
    """For a backend that cannot confine anything to windows: tiles of about their size."""
    if not policy.window:
        return policy
    side = _WINDOWS * policy.window
    return replace(policy, size=side, whole_up_to=side * side, window=0)


def windows(length: int, multiple: int, side: int) -> int:
    """Into how many windows of about ``side`` pixels, from two thirds to one and a half, to cut an
    axis so that least is added to make them equal, and ``multiple`` divide them; 0 is no window."""
    if not side or length <= side:
        return 1
    counts = range(max(1, -(-2 * length // (3 * side))), 3 * length // (2 * side) + 1)
    return min(counts, key=lambda n: (-length % (n * multiple), abs(length / n - side)))


def window_borders(axis: Axis, multiple: int, side: int) -> Iterator[int]:
    """Where the windows of every tile meet, as indices of what comes after."""
    count = windows(axis.size, multiple, side)
    odd, before = margin(axis.size, multiple * count)
    length = (axis.size + odd + 2 * before) // count
    for start in axis.starts:
        yield from (start + i * length - before for i in range(1, count))
