"""Bringing a picture to a size the network takes, and back, as the official evaluation does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Margin = tuple[int, int]


@dataclass(frozen=True)
class Padding:
    """Pixels added on each axis, in two steps: (after it to make it even, then on either side)."""

    rows: Margin
    columns: Margin

    def apply(self, image: np.ndarray) -> np.ndarray:
        """... x H x W x C, mirrored without repeating the edge; a single row or column is repeated.

        The second step mirrors what the first has made, so that one step would not do.
        """
        (odd_rows, rows), (odd_columns, columns) = self.rows, self.columns
        even = _mirror(image, (0, odd_rows), (0, odd_columns))
        return _mirror(even, (rows, rows), (columns, columns))

    def crop(self, image: np.ndarray) -> np.ndarray:
        """Undo `apply`, as a view."""
        height, width = image.shape[-3:-1]
        (odd_rows, rows), (odd_columns, columns) = self.rows, self.columns
        bottom, right = height - rows - odd_rows, width - columns - odd_columns
        return image[..., rows:bottom, columns:right, :]


def margin(length: int, multiple: int) -> Margin:
    """What an axis needs: one pixel after an odd length, then half of what lacks to the multiple
    (which is even) on either side."""
    odd = length % 2
    return odd, -(length + odd) % multiple // 2


def padded(length: int, multiple: int) -> int:
    """What `margin` makes of a length."""
    return -(-length // multiple) * multiple


def _mirror(image: np.ndarray, rows: Margin, columns: Margin) -> np.ndarray:
    if not any((*rows, *columns)):
        return image
    others = [(0, 0)] * (image.ndim - 3)
    return np.pad(image, (*others, rows, columns, (0, 0)), mode="reflect")
