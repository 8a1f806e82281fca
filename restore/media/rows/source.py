"""Pictures whose rows are read when they are asked for."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from restore.errors import ImageError
from restore.media.codecs import assemble
from restore.media.opening import explained
from restore.media.picture import Picture

HELD = 1536
"""Rows that are held: those of a row of the largest tiles there are, unless more are asked for."""
_STRIP = 256
"""Rows that are looked at together."""


class Rows(ABC):
    """As an array of ``shape`` (H x W or H x W x channels) and ``dtype``, of which slices of rows
    are taken, or of rows and columns. Best from top to bottom. Not for several threads."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @abstractmethod
    def __getitem__(self, place: slice | tuple[slice, slice]) -> np.ndarray:
        """Raises `ImageError` where the file is damaged, or is another by now."""

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """The most that is held while `HELD` rows at a time are asked for, or as many as have
        been."""

    @cached_property
    def holds_zero(self) -> bool:
        """Whether any value is 0, for which all are read, once."""
        tops = range(0, len(self), _STRIP)
        return any(bool((self[top : top + _STRIP] == 0).any()) for top in tops)


class FileRows(Rows):
    """Of a file, with as many rows in memory as were asked for last."""

    working = 0
    """Bytes that reading takes besides those rows, with those that were read and not asked for."""

    def __init__(
        self, path: Path, stream: BinaryIO, shape: tuple[int, int, int], dtype: np.dtype
    ) -> None:
        self.shape, self.dtype = shape, dtype
        self._path, self._state = path, _state(stream)
        self._top, self._held = 0, self._none
        self._next, self._left = 0, self._none
        """Where the rows begin that are to be read next, and those of them that have been."""
        self._below: Iterator[np.ndarray] | None = None
        self._most = HELD

    def __getitem__(self, place: slice | tuple[slice, slice]) -> np.ndarray:
        rows, *columns = place if isinstance(place, tuple) else (place,)
        start, stop, _ = rows.indices(len(self))
        with explained(self._path):
            if self._below is None or not self._top <= start <= self._next:
                self._begin(start)
            if stop > self._next:
                self._read(start, stop)
        held = self._held[start - self._top :][: stop - start]
        return held[:, columns[0]] if columns else held

    @property
    def nbytes(self) -> int:
        row = math.prod(self.shape[1:]) * self.dtype.itemsize
        return min(len(self), self._most) * row + self.working

    @property
    def _none(self) -> np.ndarray:
        return np.empty((0, *self.shape[1:]), self.dtype)

    def _begin(self, start: int) -> None:
        """Anew, at ``start`` or above it."""
        self._held = self._left = self._none
        self._top = self._next = self._beginning(start)
        self._below = self._opened(self._top)

    def _read(self, start: int, stop: int) -> None:
        """Go on to the row ``stop``; those above ``start`` are let go."""
        below, self._below = self._below, None  # begun anew after an error
        assert below is not None
        kept = self._held[start - self._top :].copy()
        self._held = self._none  # the old rows go before there is room for the new
        held = np.empty((stop - start, *self.shape[1:]), self.dtype)
        held[: len(kept)] = kept
        self._held, self._most = held, max(self._most, len(held))
        while self._next < stop:
            if not len(self._left):
                self._left = next(below, self._none)
            if not len(self._left):
                raise ImageError("ends early")
            self._put(held, start)
        if stop == len(self):
            next(below, None)  # which closes the file
        self._top, self._below = start, below

    def _put(self, held: np.ndarray, start: int) -> None:
        """What there is of the next rows into ``held``, which begin at the row ``start``."""
        part, left = np.split(self._left, [start + len(held) - self._next])
        wanted = part[max(start - self._next, 0) :]
        self._next += len(part)
        end = self._next - start
        held[end - len(wanted) : end] = wanted
        self._left = left if len(left) else self._none  # no part lets the block go

    def _opened(self, top: int) -> Iterator[np.ndarray]:
        with open(self._path, "rb") as stream:
            if _state(stream) != self._state:
                raise ImageError("has changed while it was read")
            yield from self._blocks(stream, top)

    @abstractmethod
    def _beginning(self, row: int) -> int:
        """The top of the block from which ``row`` is read."""

    @abstractmethod
    def _blocks(self, stream: BinaryIO, top: int) -> Iterator[np.ndarray]:
        """Rows x W x channels, from one `_beginning` to the end of the picture."""


class Channels(Rows):
    """Some of the channels of others: a slice of them, or one."""

    def __init__(self, rows: Rows, which: slice | int) -> None:
        self._rows, self._which = rows, which
        count = rows.shape[2]
        kept = () if isinstance(which, int) else (len(range(*which.indices(count))),)
        self.shape, self.dtype = (*rows.shape[:2], *kept), rows.dtype

    @property
    def nbytes(self) -> int:
        return self._rows.nbytes

    def __getitem__(self, place: slice | tuple[slice, slice]) -> np.ndarray:
        return np.ascontiguousarray(self._rows[place][..., self._which])


def probe(channels: int, dtype: np.dtype) -> np.ndarray:
    """Four pixels that no turn, flip or conversion leaves as they are: they stand in for those of
    a file while all else in it is read."""
    values = np.arange(1, 5, dtype=dtype).reshape(2, 2, 1)
    return np.repeat(values, channels, axis=2)


def pictured(carried: Picture, rows: FileRows) -> Picture | None:
    """What was read with a `probe`, with the rows themselves; None where they could not be taken as
    they are."""
    sent = probe(rows.shape[2], rows.dtype)
    came = assemble.stacked(carried)
    if not np.array_equal(came.reshape(*came.shape[:2], -1), sent):
        return None
    channels = rows.shape[2]
    colours: slice | int = slice(0, 3) if channels > 2 else 0
    pixels: Any = Channels(rows, colours)  # an array, to all that work by rows
    alpha: Any = Channels(rows, channels - 1) if channels in (2, 4) else None
    return Picture(pixels, alpha, carried.info, carried.notes)


def _state(stream: BinaryIO) -> tuple[int, ...]:
    """What tells a file from another, and from itself once it has been written to."""
    state = os.fstat(stream.fileno())
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns
