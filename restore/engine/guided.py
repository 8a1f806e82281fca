"""What a network did to a reduced picture, done to the picture itself.

Haze and darkness belong to a scene, not to its details: a network sees them best where the whole
scene is as small as those it learned from. Over a small window both change a picture linearly (haze
is I = J t + A (1 - t) with a nearly constant t), so the linear map that fits each window of
the reduced pair is carried over to all pixels, and no detail is lost, displaced or made up.

He and Sun, "Fast Guided Filter" (arXiv:1505.00996), with the reduced picture as its guide; each
channel guides itself.
"""

from __future__ import annotations

import cv2
import numpy as np

RADIUS = 4
"""Of the windows, in pixels of the reduced picture."""
FLAT = 1e-4
"""Variance below which a window is too flat to tell a slope from noise; it gets that of 1."""


def reduced(image: np.ndarray, side: int) -> np.ndarray:
    """H x W x 3 float32 with its shorter side brought down to ``side`` pixels, each the mean of
    those it covers. Never enlarged; a picture that is small enough comes back as it is."""
    height, width = image.shape[:2]
    shorter = min(height, width)
    if shorter <= side:
        return image
    size = round(width * side / shorter), round(height * side / shorter)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def carried_over(image: np.ndarray, small: np.ndarray, restored: np.ndarray) -> np.ndarray:
    """``image`` changed as ``small``, its reduced version, was to give ``restored``.

    All are float32 with three channels; the last two have one size. Where they have that of
    ``image`` too, ``restored`` is the answer.
    """
    if small.shape == image.shape:
        return restored
    mean_in, mean_out = _mean(small), _mean(restored)
    variance = _mean(small * small) - mean_in * mean_in
    covariance = _mean(small * restored) - mean_in * mean_out
    slope = (covariance + FLAT) / (np.maximum(variance, 0) + FLAT)
    offset = mean_out - slope * mean_in
    size = image.shape[1], image.shape[0]
    result = cv2.resize(_mean(slope), size, interpolation=cv2.INTER_LINEAR)
    result *= image
    result += cv2.resize(_mean(offset), size, interpolation=cv2.INTER_LINEAR)
    return result


def _mean(values: np.ndarray) -> np.ndarray:
    side = 2 * RADIUS + 1
    return cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT)
