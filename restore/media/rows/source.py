"""Pictures whose rows are read when they are asked for."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from restore.errors import ImageError
from restore.media.codecs import assemble
from restore.media.opening import explained
from restore.media.picture import Picture

_HELD = 512
"""Rows that are held, about: those of a row of tiles."""


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
    def nbytes(self) -> int:
        """Of what is held at a time, about."""
        return min(len(self), _HELD) * math.prod(self.shape[1:]) * self.dtype.itemsize


class FileRows(Rows):
    """Of a file, with as many rows in memory as were asked for last."""

    def __init__(
        self, path: Path, stream: BinaryIO, shape: tuple[int, int, int], dtype: np.dtype
    ) -> None:
        self.shape, self.dtype = shape, dtype
        self._path, self._state = path, _state(stream)
        self._top, self._held = 0, self._none
        self._below: Iterator[np.ndarray] | None = None

    def __getitem__(self, place: slice | tuple[slice, slice]) -> np.ndarray:
        rows, *columns = place if isinstance(place, tuple) else (place,)
        start, stop, _ = rows.indices(len(self))
        with explained(self._path):
            if self._below is None or not self._top <= start <= self._end:
                self._held = self._none
                self._top, self._below = self._from(start)
            if stop > self._end:
                self._read(self._below, start, stop)
        held = self._held[start - self._top :][: stop - start]
        return held[:, columns[0]] if columns else held

    @property
    def _none(self) -> np.ndarray:
        return np.empty((0, *self.shape[1:]), self.dtype)

    @property
    def _end(self) -> int:
        return self._top + len(self._held)

    def _read(self, below: Iterator[np.ndarray], start: int, stop: int) -> None:
        """Go on to the row ``stop``; those above ``start`` are let go."""
        end = self._end
        self._held = self._held[start - self._top :] if start < end else self._none
        self._top = min(max(start, self._top), end)
        blocks = [self._held]
        while end < stop:
            block = next(below, None)
            if block is None:
                raise ImageError("ends early")
            end += len(block)
            if end > start:
                blocks.append(block)
            else:
                self._top = end
        self._held = np.concatenate(blocks)
        if end == len(self):
            next(below, None)  # what stands behind the rows may say that they are damaged

    def _from(self, row: int) -> tuple[int, Iterator[np.ndarray]]:
        """Blocks of rows, one below the other, and where they begin: at ``row`` or above it."""
        top = self._beginning(row)
        return top, self._opened(top)

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
