"""Filters whose response tells something of a picture."""

from __future__ import annotations

import cv2
import numpy as np

PATCH = 15
"""Side of the neighbourhood of `dark_channel`, in pixels."""

_LAPLACIANS = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def second_difference(image: np.ndarray) -> np.ndarray:
    """The difference of two Laplacians, which structure hardly passes and noise does: float32 of
    the shape of ``image``, H x W or H x W x 3.

    Immerkaer, "Fast Noise Variance Estimation" (Computer Vision and Image Understanding 1996).
    """
    return cv2.filter2D(image.astype(np.float32), -1, _LAPLACIANS)


def dark_channel(image: np.ndarray) -> np.ndarray:
    """The least value of any channel in the neighbourhood of a pixel: H x W, in the dtype of
    ``image``, which is H x W or H x W x 3.

    He, Sun and Tang, "Single image haze removal using dark channel prior" (CVPR 2009, eq. 5).
    """
    least = image if image.ndim == 2 else image.min(axis=2)
    return cv2.erode(least, np.ones((PATCH, PATCH), np.uint8))
