"""RainStreaks: thin bright streaks of one direction, near the vertical, all over a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

_WIDEST = 7
"""Pixels across, beyond which nothing counts as a streak."""
_SIDE = 32
_CALMEST = 25
"""Percentile of the blocks: rain falls everywhere, and fences stand in some places."""

_NEAR_VERTICAL = 0.3
"""Cosine of twice the angle: 36 degrees to either side."""


@dataclass(frozen=True)
class RainStreaks:
    """``agreement``: how nearly the fine bright details of three in four blocks are lines of one
    direction near the vertical, from -1 (lines at right angles to it) over 0 (none) to 1.
    ``strength``: their gradient across in those blocks, 0 to 255 a pixel."""

    agreement: float
    strength: float


def rain(image: np.ndarray) -> RainStreaks | None:
    """Look for streaks in H x W x 3 or H x W (uint8); None below 32 x 32.

    Streaks only add light, to all channels (Garg and Nayar, "Vision and rain", IJCV 2007): they are
    in the white top-hat of the least channel across 7 pixels. Their direction is that of the
    structure tensor (Bigun and Granlund, ICCV 1987) of each block: coherence x exp(2 i theta), of
    which the part along the mean of all blocks counts, or along the vertical if that is far off.
    """
    least = (image if image.ndim == 2 else image.min(axis=2)).astype(np.float32)
    rows, columns = (side // _SIDE for side in least.shape)
    if min(rows, columns) < 1:
        return None
    fine = cv2.morphologyEx(least, cv2.MORPH_TOPHAT, np.ones((1, _WIDEST), np.uint8))
    across, along = (cv2.Sobel(fine, cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (1, 0))
    xx, yy, xy = (
        product[: rows * _SIDE, : columns * _SIDE]
        .reshape(rows, _SIDE, columns, _SIDE)
        .mean(axis=(1, 3))
        for product in (across * across, along * along, across * along)
    )
    # A gradient of an eighth of a level is rounding, and has no direction.
    direction = (xx - yy + 2j * xy) / (xx + yy + 1 / 64)
    common = direction.mean()
    if common.real <= _NEAR_VERTICAL * abs(common):
        common = 1 + 0j
    agreement = (direction * np.conj(common / abs(common))).real
    return RainStreaks(
        agreement=float(np.percentile(agreement, _CALMEST)),
        strength=math.sqrt(float(np.percentile(xx, _CALMEST))),
    )
