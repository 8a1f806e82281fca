"""Darkness: how little light a picture has got."""

from __future__ import annotations

import numpy as np


def darkness(grey: np.ndarray) -> float:
    """One less the mean luma of H x W (0 to 255), from 0 (white) to 1 (black)."""
    return 1 - float(grey.mean()) / 255
