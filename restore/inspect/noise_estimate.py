"""Noise: what is left in the smoothest places of a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from restore.inspect.operators import second_difference

_SIDE = 8
_BLOCKS = 8000
"""Blocks looked at, at most; they lie evenly."""
_SMOOTHEST = 0.05
"""Fraction of the blocks that counts as smooth."""
_FEWEST = 32
"""Blocks without which nothing is estimated."""
_LEAST_MARGIN = 10.0
"""From black and from white, for the mean of a block that counts."""
_ROUNDING = 1.5
"""A little more than the detail that rounding to 8 bits alone makes."""

_FREQUENCY = np.add.outer(np.arange(_SIDE), np.arange(_SIDE))
_LOW = (_FREQUENCY >= 1) & (_FREQUENCY <= 2)
_MIDDLE = (_FREQUENCY >= 3) & (_FREQUENCY <= 6)
_HIGH = _FREQUENCY >= 7


@dataclass(frozen=True)
class Noise:
    """``sigma``: standard deviation, 0 to 255, of the noise of a channel in smooth places.

    ``whiteness``: high over middle frequencies there, as deviations: 1 for white noise, less for
    the texture of photographs. ``grain`` is the deviation, and ``grain_whiteness`` high over low
    frequencies, after halving the picture's size. ``fineness`` is the detail of the picture over
    that of its half: below 0.55 or so, nothing in it is as fine as its pixels, and neither is its
    noise, which a demosaic and JPEG have smoothed.
    """

    sigma: float
    whiteness: float
    grain: float
    grain_whiteness: float
    fineness: float


def noise(tiles: Sequence[np.ndarray]) -> Noise | None:
    """Estimate the noise of a picture from parts of it, each h x w x C (float32, 0 to 255).

    Blocks of 8 x 8 are ranked by the energy of their lowest frequencies, and the high ones of the
    smoothest give sigma: Ponomarenko et al., "An automatic approach to lossy compression of AVIRIS
    images", IGARSS 2007. Noise keeps its spectrum flat there, whereas that of scenes falls with
    frequency, alike at every scale: Zoran and Weiss, "Scale invariance and noise in natural
    images", ICCV 2009. None where there are too few blocks.
    """
    halves = [_halved(tile) for tile in tiles]
    full_bands, half_bands = _smooth_bands(tiles), _smooth_bands(halves)
    if full_bands is None or half_bands is None:
        return None
    _, middle, high = full_bands
    low, _, grain = half_bands
    return Noise(
        sigma=high,
        whiteness=_ratio(high, middle),
        grain=grain,
        grain_whiteness=_ratio(grain, low),
        fineness=_fineness(tiles, halves),
    )


def _halved(tile: np.ndarray) -> np.ndarray:
    height, width = (max(1, side // 2) for side in tile.shape[:2])
    # OpenCV drops an axis of one channel.
    return cv2.resize(tile, (width, height), interpolation=cv2.INTER_AREA).reshape(
        height, width, -1
    )


def _smooth_bands(tiles: Sequence[np.ndarray]) -> tuple[float, float, float] | None:
    """Deviations of low, middle and high frequencies in the smoothest blocks."""
    pixels = sum(tile.shape[0] * tile.shape[1] for tile in tiles)
    step = max(1, math.ceil(math.sqrt(pixels / _BLOCKS)))
    blocks = np.concatenate([_blocks(tile, step) for tile in tiles])
    mean = blocks.mean(axis=(1, 2))
    basis = _dct_basis()
    energy = (basis @ blocks @ basis.T) ** 2  # N x 8 x 8
    bands = np.stack([energy[:, band].mean(axis=1) for band in (_LOW, _MIDDLE, _HIGH)])
    found = None
    margin = _LEAST_MARGIN
    # Where noise is cut off at black and white it looks weaker than it is, and smoother.
    for _ in range(3):
        inside = bands[:, (mean > margin) & (mean < 255 - margin)]
        if inside.shape[1] < _FEWEST:
            break
        found = _of_smoothest(inside)
        margin = max(_LEAST_MARGIN, 2.5 * found[2])
    return found


def _blocks(tile: np.ndarray, step: int) -> np.ndarray:
    """N x 8 x 8: each channel's for itself, every ``step`` pixels."""
    if min(tile.shape[:2]) < _SIDE:
        return np.empty((0, _SIDE, _SIDE), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(tile, (_SIDE, _SIDE), axis=(0, 1))
    return windows[::step, ::step].reshape(-1, _SIDE, _SIDE)


def _of_smoothest(bands: np.ndarray) -> tuple[float, float, float]:
    """3 x N energies -> what the blocks of the least low frequencies have, as deviations."""
    count = max(_FEWEST // 4, round(bands.shape[1] * _SMOOTHEST))
    smoothest = np.argpartition(bands[0], count - 1)[:count]
    # Medians, for the few blocks that hold a fine edge all the same.
    low, middle, high = np.sqrt(np.median(bands[:, smoothest], axis=1))
    return float(low), float(middle), float(high)


def _dct_basis() -> np.ndarray:
    """Orthonormal DCT-II, frequency x place."""
    places = np.arange(_SIDE) + 0.5
    basis = np.cos(np.outer(np.arange(_SIDE), places) * math.pi / _SIDE) * math.sqrt(2 / _SIDE)
    basis[0] /= math.sqrt(2)
    return basis.astype(np.float32)


def _fineness(tiles: Sequence[np.ndarray], halves: Sequence[np.ndarray]) -> float:
    detail = _detail(tiles)
    return _ratio(detail, _detail(halves)) if detail > _ROUNDING else 0.0


def _detail(tiles: Sequence[np.ndarray]) -> float:
    responses = [np.abs(second_difference(tile.mean(axis=2))).mean() for tile in tiles]
    return float(np.mean(responses))


def _ratio(one: float, other: float) -> float:
    # Rounding to 8 bits alone deviates by 0.29: less than a third of that is nothing.
    return one / (other + 0.1)
