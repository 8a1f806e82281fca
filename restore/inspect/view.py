"""The part of an image that estimators look at, so that large images take no longer."""

from __future__ import annotations

import math

import cv2
import numpy as np

_PIXELS = 1_000_000
_SIDE = 256
_TILES = 4
"""A side: 16 tiles of 256 x 256 are about a million pixels."""


def reduced(image: np.ndarray) -> np.ndarray:
    """The whole picture, averaged down to about a megapixel: what it looks like on a screen."""
    height, width = image.shape[:2]
    factor = math.sqrt(_PIXELS / (height * width))
    if factor >= 0.75:  # little to win, and resampling is a blur of its own
        return image
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def tiles(image: np.ndarray) -> list[np.ndarray]:
    """The picture itself, or 16 even tiles of it at full resolution; each begins at a multiple of
    8 pixels, where blocks of JPEG begin."""
    height, width = image.shape[:2]
    if height * width <= 2 * _PIXELS:
        return [image]
    tops, lefts = (
        sorted({int(start) // 8 * 8 for start in np.linspace(0, max(0, side - _SIDE), _TILES)})
        for side in (height, width)
    )
    return [image[top : top + _SIDE, left : left + _SIDE] for top in tops for left in lefts]
