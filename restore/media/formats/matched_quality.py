"""The quality at which an encoder spends as many bytes as the input did."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_BLOCK, _BLOCKS = 128, 5
"""Side of the blocks of a sample in pixels, and blocks a side."""
_LEAST, _MOST = 20, 100


def matched_quality(
    pixels: np.ndarray, rate: float, size_of: Callable[[np.ndarray, int], int]
) -> int:
    """Return the highest quality, 20 to 100, whose size is at most ``rate`` bytes per pixel.

    Files state no quality; the quality is found by bisection on blocks from the whole image.

    Args:
        pixels: H x W x channels.
        size_of: bytes of an image coded at a quality.
    """
    sample = _sample(pixels)
    most = rate * sample.shape[0] * sample.shape[1]
    low, high = _LEAST, _MOST
    while low < high:
        middle = (low + high + 1) // 2
        if size_of(sample, middle) <= most:
            low = middle
        else:
            high = middle - 1
    return low


def _sample(pixels: np.ndarray) -> np.ndarray:
    """Return blocks at regular places side by side, or a small image itself."""
    side = _BLOCK * _BLOCKS
    if min(pixels.shape[:2]) <= side:
        return np.ascontiguousarray(pixels[: 2 * side, : 2 * side])
    starts = [np.linspace(0, n - _BLOCK, _BLOCKS).astype(int) for n in pixels.shape[:2]]
    rows, columns = ((s[:, None] + np.arange(_BLOCK)).ravel() for s in starts)
    return np.ascontiguousarray(pixels[rows][:, columns])
