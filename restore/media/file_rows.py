"""Image files whose rows are decoded on demand."""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from restore.errors import ImageError
from restore.media import assembly
from restore.media.file_errors import explained
from restore.media.picture import Picture
from restore.rows import HELD, Rows


class FileRows(Rows):
    """Rows of a file. Keeps the rows of the latest request in memory."""

    working = 0
    """Bytes used while decoding, besides the rows kept; includes rows decoded but not requested."""

    def __init__(
        self, path: Path, stream: BinaryIO, shape: tuple[int, int, int], dtype: np.dtype
    ) -> None:
        self.shape, self.dtype = shape, dtype
        self._path, self._state = path, _state(stream)
        self._top, self._held = 0, self._none
        self._next, self._left = 0, self._none
        """The first row not yet kept, and decoded rows from there on."""
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
        """Start decoding at ``start`` or above it."""
        self._held = self._left = self._none
        self._top = self._next = self._beginning(start)
        self._below = self._opened(self._top)

    def _read(self, start: int, stop: int) -> None:
        """Decode up to row ``stop`` and release rows above ``start``."""
        below, self._below = self._below, None  # restarted after an error
        assert below is not None
        kept = self._held[start - self._top :].copy()
        self._held = self._none  # released before the new rows are allocated
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
            next(below, None)  # closes the file
        self._top, self._below = start, below

    def _put(self, held: np.ndarray, start: int) -> None:
        """Copy decoded rows into ``held``, whose first row is ``start``."""
        part, left = np.split(self._left, [start + len(held) - self._next])
        wanted = part[max(start - self._next, 0) :]
        self._next += len(part)
        end = self._next - start
        held[end - len(wanted) : end] = wanted
        self._left = left if len(left) else self._none  # an empty view would keep the block alive

    def _opened(self, top: int) -> Iterator[np.ndarray]:
        with open(self._path, "rb") as stream:
            if _state(stream) != self._state:
                raise ImageError("has changed while it was read")
            yield from self._blocks(stream, top)

    @abstractmethod
    def _beginning(self, row: int) -> int:
        """Return the first row of the block that contains ``row``."""

    @abstractmethod
    def _blocks(self, stream: BinaryIO, top: int) -> Iterator[np.ndarray]:
        """Decode rows x W x channels, from a row returned by `_beginning` to the last row."""


class Channels(Rows):
    """A slice of the channels of other rows, or one channel."""

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
    """Return 2 x 2 x channels that every rotation, flip or conversion changes.

    They replace a file's pixels while its metadata is read.
    """
    values = np.arange(1, 5, dtype=dtype).reshape(2, 2, 1)
    return np.repeat(values, channels, axis=2)


def pictured(carried: Picture, rows: FileRows) -> Picture | None:
    """Put ``rows`` in place of the `probe` in ``carried``, the file's metadata.

    Returns None if reading changed the probe: the rows would need the same conversion.
    """
    sent = probe(rows.shape[2], rows.dtype)
    came = assembly.stacked(carried)
    if not np.array_equal(came.reshape(*came.shape[:2], -1), sent):
        return None
    channels = rows.shape[2]
    colours: slice | int = slice(0, 3) if channels > 2 else 0
    pixels: Any = Channels(rows, colours)  # used as an array by all code that works by rows
    alpha: Any = Channels(rows, channels - 1) if channels in (2, 4) else None
    return Picture(pixels, alpha, carried.info, carried.notes)


def _state(stream: BinaryIO) -> tuple[int, ...]:
    """Identify a file and its state: device, inode, size and time of modification."""
    state = os.fstat(stream.fileno())
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns
