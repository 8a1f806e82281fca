"""Images passed on by rows, for the engine and `restore.media`. Imports numpy only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np

HELD = 1536
"""Rows kept in memory unless more are requested: one row of the largest tiles."""
_TOGETHER = 256
"""Rows searched for zeros at a time."""


class Rows(ABC):
    """An image that is read by rows, indexed like an array.

    ``shape`` is H x W or H x W x channels. Indices are a slice of rows, or a slice of rows and a
    slice of columns. Reading from top to bottom is fastest. Not safe for use by several threads.
    """

    shape: tuple[int, ...]
    dtype: np.dtype

    @abstractmethod
    def __getitem__(self, place: slice | tuple[slice, slice]) -> np.ndarray:
        """Read rows. Raises `ImageError` if the file is damaged or has changed."""

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Peak memory in bytes while `HELD` rows, or the most requested so far, are read at a
        time."""

    @cached_property
    def holds_zero(self) -> bool:
        """Whether any value is 0. Reads all rows, once."""
        tops = range(0, len(self), _TOGETHER)
        return any(bool((self[top : top + _TOGETHER] == 0).any()) for top in tops)


class Sink(ABC):
    """A destination for the rows of an image, assigned by ``sink[rows] = pixels``.

    Rows are assigned from top to bottom. Assigning row 0 again starts over.
    """

    nbytes = 0
    """Bytes of the image kept in memory."""

    @abstractmethod
    def __setitem__(self, rows: slice, pixels: np.ndarray) -> None:
        """Write rows x W or rows x W x 3. Raises `ImageError` if they cannot be written."""
