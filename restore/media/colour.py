"""Between grey and colour."""

from __future__ import annotations

import numpy as np


def rgb(image: np.ndarray) -> np.ndarray:
    """H x W x 3, of whatever dtype: a grey picture (H x W) three times, another as it is."""
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
