"""Blur: how little a picture changes when it is blurred once more."""

from __future__ import annotations

import cv2
import numpy as np

_LENGTH = 9
_SIGMA = 1.5
"""Of a Gaussian that goes before: noise is sharp however blurred a picture is."""
_LEAST_STEP = 0.05
"""Mean step from pixel to pixel, 0 to 255, without which there is nothing to judge."""


def blur(grey: np.ndarray) -> float | None:
    """Perceptual blur of H x W (float32, 0 to 255), from 0 (sharp) to 1; None without any edge.

    Crete et al., "The blur effect: perception and estimation with a new no-reference perceptual
    blur metric", SPIE 2007, eq. 1 to 6, on the picture without its noise.
    """
    if min(grey.shape) < _LENGTH:
        return None
    smooth = cv2.GaussianBlur(grey, (0, 0), _SIGMA)
    both = [_along(axis, smooth) for axis in (0, 1)]
    return max((1 - lost / step for step, lost in both if step >= _LEAST_STEP), default=None)


def _along(axis: int, grey: np.ndarray) -> tuple[float, float]:
    """Mean step between neighbours, and what of it a box filter along the axis takes away."""
    size = (_LENGTH, 1) if axis == 1 else (1, _LENGTH)
    again = cv2.blur(grey, size, borderType=cv2.BORDER_REFLECT)
    steps, less = (np.abs(np.diff(x, axis=axis)) for x in (grey, again))
    return float(steps.mean()), float(np.maximum(steps - less, 0).mean())
