"""The eight symmetries of the square, over which an ensemble averages."""

from __future__ import annotations

import numpy as np


def turn(images: np.ndarray, view: int) -> np.ndarray:
    """Turn N x H x W x C images by ``view % 4`` quarters, then flip them where ``view >= 4``."""
    turned = np.rot90(images, view % 4, axes=(1, 2))
    return turned[:, :, ::-1] if view >= 4 else turned


def turn_back(images: np.ndarray, view: int) -> np.ndarray:
    """Undo `turn`."""
    flipped = images[:, :, ::-1] if view >= 4 else images
    return np.rot90(flipped, -(view % 4), axes=(1, 2))
