"""Bringing a picture to a size the network takes, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Margin = tuple[int, int]


@dataclass(frozen=True)
class Padding:
    """Pixels added (before, after) on each axis."""

    rows: Margin
    columns: Margin

    def apply(self, image: np.ndarray) -> np.ndarray:
        """H x W x C, mirrored without repeating the edge; a single row or column is repeated."""
        if not any((*self.rows, *self.columns)):
            return image
        return np.pad(image, (self.rows, self.columns, (0, 0)), mode="reflect")

    def crop(self, image: np.ndarray) -> np.ndarray:
        """Undo `apply`, as a view."""
        height, width = image.shape[:2]
        return image[
            self.rows[0] : height - self.rows[1], self.columns[0] : width - self.columns[1]
        ]


def margin(length: int, multiple: int) -> Margin:
    """Where the official evaluation puts the padding of one axis: first one pixel after an odd
    length, then half of what lacks to the multiple on either side."""
    odd = length % 2
    lacking = -(length + odd) % multiple
    return lacking // 2, odd + lacking - lacking // 2
