"""Frames in order: read ahead, and restored together where that is faster."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from restore.engine.arrays import Image, convert
from restore.engine.checks import check_count
from restore.engine.temporal import Steadier
from restore.errors import ImageError, UsageError
from restore.pipe import piped

Together = Callable[[list[np.ndarray]], list[np.ndarray]]
"""Restores images of one height and width."""

AHEAD = 4
"""Frames read before they are needed: enough for a source that hesitates now and then."""


@dataclass(frozen=True)
class _Read:
    """A frame as an array of its own; ``back`` makes a frame of the caller's kind from a
    result."""

    array: np.ndarray
    back: Callable[[np.ndarray], Any]

    @property
    def size(self) -> tuple[int, int]:
        return self.array.shape[0], self.array.shape[1]


def restored_frames(
    frames: Iterable[Image],
    together: Together,
    fastest: Callable[[tuple[int, int]], int],
    steady: Steadier | bool,
    ahead: int,
    batch: int | None,
) -> Iterator[Image]:
    """Restore frames as `Restorer.frames` does; ``fastest`` maps (height, width) to the number of
    frames restored together where ``batch`` is None.

    Raises `UsageError` for options at once, other errors in the place of the frame.
    """
    check_count("ahead", ahead, 0)
    if batch is not None:
        check_count("batch", batch, 1)
    steadier = Steadier() if steady is True else steady or None
    if steadier is not None and not isinstance(steadier, Steadier):
        raise UsageError(f"steady is {steadier!r}; it is True, False or a Steadier")
    try:
        source = iter(frames)
    except TypeError:
        raise UsageError(f"frames is {frames!r}; it is an iterable of images") from None
    # A generator that has failed is at its end: no frame is read after an error.
    reads = (_read(number, frame) for number, frame in enumerate(source))
    sizes = fastest if batch is None else lambda size: batch
    return _restored(_ahead(reads, ahead), together, sizes, steadier)


def _restored(
    reads: Iterator[_Read],
    together: Together,
    batch: Callable[[tuple[int, int]], int],
    steadier: Steadier | None,
) -> Iterator[Any]:
    for group in _groups(reads, batch):
        results = together([frame.array for frame in group])
        for frame, result in zip(group, results, strict=True):
            # At the last moment, so that the steadier's state is that after this very frame.
            steadied = steadier(frame.array, result) if steadier else result
            yield frame.back(steadied)


def _ahead(reads: Iterator[_Read], ahead: int) -> Iterator[_Read]:
    """Read ``ahead`` more frames than have been requested, in a thread that ends with the
    iterator."""

    def next_one(source: Iterator[_Read]) -> list[_Read]:
        return list(itertools.islice(source, 1))

    with closing(piped(itertools.repeat(reads), next_one, threads=1, ahead=ahead)) as found:
        for one in found:
            if not one:
                return
            yield one[0]


def _groups(
    reads: Iterator[_Read], batch: Callable[[tuple[int, int]], int]
) -> Iterator[list[_Read]]:
    """Group neighbours of one size, as many as ``batch`` returns; fewer before another size, an
    error or the end."""
    group: list[_Read] = []
    try:
        for frame in reads:
            if group and frame.size != group[0].size:
                yield group
                group = []
            group.append(frame)
            if len(group) >= batch(frame.size):
                yield group
                group = []
    except Exception:
        if group:
            yield group
        raise
    if group:
        yield group


def _read(number: int, frame: Any) -> _Read:
    try:
        # A copy: a source may fill one array again and again.
        given = convert(frame, copy=True)
        if len(given.arrays) > 1:
            raise ImageError(f"expected one image, got a batch of {len(given.arrays)}")
    except ImageError as error:
        raise ImageError(f"frame {number}: {error}") from error
    return _Read(given.arrays[0], lambda restored: given.back([restored]))
