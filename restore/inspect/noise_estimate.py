"""Noise: what is left in the smoothest places of a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_SIDE = 8
_BLOCKS = 8000
"""Blocks looked at, at most; they lie evenly."""
_SMOOTHEST = 0.05
"""Fraction of the blocks that counts as smooth."""
_FEWEST = 32
"""Blocks without which nothing is estimated."""
_LEAST_MARGIN = 10.0
"""From black and from white, for the mean of a block that counts."""

_FREQUENCY = np.add.outer(np.arange(_SIDE), np.arange(_SIDE))
_LOW = (_FREQUENCY >= 1) & (_FREQUENCY <= 2)
_HIGH = _FREQUENCY >= 7


def noise_sigma(tiles: Sequence[np.ndarray]) -> float | None:
    """Estimate the deviation of white noise from parts of a picture, h x w x C float32, 0 to 255.

    Blocks of 8 x 8 are ranked by the energy of their lowest frequencies, and the high ones of the
    smoothest give sigma: Ponomarenko et al., "An automatic approach to lossy compression of AVIRIS
    images", IGARSS 2007. None where there are too few blocks. Texture of the scene counts as well,
    and noise that a camera has smoothed counts less.
    """
    pixels = sum(tile.shape[0] * tile.shape[1] for tile in tiles)
    step = max(1, math.ceil(math.sqrt(pixels / _BLOCKS)))
    blocks = np.concatenate([_blocks(tile, step) for tile in tiles])
    mean = blocks.mean(axis=(1, 2))
    basis = _dct_basis()
    energy = (basis @ blocks @ basis.T) ** 2  # N x 8 x 8
    low, high = (energy[:, band].mean(axis=1) for band in (_LOW, _HIGH))
    sigma = None
    margin = _LEAST_MARGIN
    # Where noise is cut off at black and white it looks weaker than it is, and smoother.
    for _ in range(3):
        inside = (mean > margin) & (mean < 255 - margin)
        if inside.sum() < _FEWEST:
            break
        sigma = _of_smoothest(low[inside], high[inside])
        margin = max(_LEAST_MARGIN, 2.5 * sigma)
    return sigma


def _blocks(tile: np.ndarray, step: int) -> np.ndarray:
    """N x 8 x 8: each channel's for itself, every ``step`` pixels."""
    if min(tile.shape[:2]) < _SIDE:
        return np.empty((0, _SIDE, _SIDE), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(tile, (_SIDE, _SIDE), axis=(0, 1))
    return windows[::step, ::step].reshape(-1, _SIDE, _SIDE)


def _of_smoothest(low: np.ndarray, high: np.ndarray) -> float:
    """Deviation of high frequencies in the blocks with the least low ones."""
    count = max(_FEWEST // 4, round(len(low) * _SMOOTHEST))
    smoothest = np.argpartition(low, count - 1)[:count]
    # A median, for the few blocks that hold a fine edge all the same.
    return float(np.sqrt(np.median(high[smoothest])))


def _dct_basis() -> np.ndarray:
    """Orthonormal DCT-II, frequency x place."""
    places = np.arange(_SIDE) + 0.5
    basis = np.cos(np.outer(np.arange(_SIDE), places) * math.pi / _SIDE) * math.sqrt(2 / _SIDE)
    basis[0] /= math.sqrt(2)
    return basis.astype(np.float32)
