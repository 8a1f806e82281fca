"""Blocks: steps of JPEG at every eighth pixel."""

from __future__ import annotations

import numpy as np

_SIDE = 8


def blocking(grey: np.ndarray) -> float | None:
    """Blockiness of H x W (0 to 255) whose first pixel starts a block; None below 16 x 16.

    Mean step across the borders of blocks over the mean step elsewhere, less 1: 0 without blocks.
    After Wang, Sheikh and Bovik, "No-reference perceptual quality assessment of JPEG compressed
    images", ICIP 2002, eq. 1 to 4: their blockiness B over their activity A.
    """
    if min(grey.shape) < 2 * _SIDE:
        return None
    across = elsewhere = 0.0
    for axis in (0, 1):
        steps = np.abs(np.diff(grey, axis=axis)).mean(axis=1 - axis)
        border = np.arange(1, len(steps) + 1) % _SIDE == 0
        across += float(steps[border].mean())
        elsewhere += float(steps[~border].mean())
    # Rounding to 8 bits alone makes steps of this order: flat pictures have no blocks.
    return max(0.0, across / max(elsewhere, 0.25) - 1)
