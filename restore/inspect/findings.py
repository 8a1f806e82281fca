"""All that is measured of a picture without a network."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from restore.inspect.blocking import blocking
from restore.inspect.darkness import darkness
from restore.inspect.noise_estimate import noise_sigma
from restore.inspect.view import reduced, tiles


@dataclass(frozen=True)
class Findings:
    """What `inspect` measured; None where the picture is too small or too plain for it."""

    sigma: float | None
    """Standard deviation of the noise in smooth places, 0 to 255."""
    darkness: float
    """One less the mean luma, 0 to 1."""
    blocking: float | None
    """Steps across the borders of JPEG's blocks over those elsewhere, less 1."""


def inspect(pixels: np.ndarray) -> Findings:
    """Measure H x W x 3 (RGB) or H x W (grey), uint8, at least 1 x 1."""
    parts = tiles(pixels)
    known = [x for x in (blocking(_grey(part)) for part in parts) if x is not None]
    return Findings(
        sigma=noise_sigma([np.atleast_3d(part).astype(np.float32) for part in parts]),
        darkness=darkness(_grey(reduced(pixels))),
        blocking=float(np.median(known)) if known else None,
    )


def _grey(pixels: np.ndarray) -> np.ndarray:
    """BT.601 luma as float32, 0 to 255."""
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return grey.astype(np.float32)
