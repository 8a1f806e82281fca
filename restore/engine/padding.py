"""Padding of images to the size rule of a network, as in the official evaluation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Margin = tuple[int, int]


@dataclass(frozen=True)
class Padding:
    """Pixels added along each axis, in two steps: after the end to make the length even, then at
    both ends."""

    rows: Margin
    columns: Margin

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Pad ... x H x W x C by mirroring without repeating the edge; a single row or column is
        repeated.

        The second step mirrors the result of the first, so the two cannot be merged.
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
    """Return the padding of an axis: one pixel after an odd length, then at both ends half of the
    pixels missing to an even ``multiple``."""
    odd = length % 2
    return odd, -(length + odd) % multiple // 2


def padded(length: int, multiple: int) -> int:
    """Return a length with its `margin`."""
    return -(-length // multiple) * multiple


def _mirror(image: np.ndarray, rows: Margin, columns: Margin) -> np.ndarray:
    if not any((*rows, *columns)):
        return image
    others = [(0, 0)] * (image.ndim - 3)
    return np.pad(image, (*others, rows, columns, (0, 0)), mode="reflect")
