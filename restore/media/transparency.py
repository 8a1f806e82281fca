"""Colours that nobody sees."""

from __future__ import annotations

import numpy as np


def filled(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """``pixels`` (H x W or H x W x 3) with each fully transparent one (``alpha`` 0, H x W) as its
    nearest visible one, so that what was hidden does not bleed over the edge. As given where
    nothing is hidden, or everything."""
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return pixels
    import cv2

    _, nearest = cv2.distanceTransformWithLabels(
        hidden.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # OpenCV numbers the visible pixels in an order of its own.
    place = np.empty(nearest.max() + 1, np.intp)
    place[nearest[~hidden]] = np.flatnonzero(~hidden)
    result = pixels.copy()
    result[hidden] = pixels.reshape(-1, *pixels.shape[2:])[place[nearest[hidden]]]
    return result
