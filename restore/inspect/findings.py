"""All that is measured of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from restore.inspect.blocking import blocking
from restore.inspect.blur_estimate import blur
from restore.inspect.darkness import darkness
from restore.inspect.haze_estimate import haze
from restore.inspect.noise_estimate import Noise, noise
from restore.inspect.rain_estimate import RainStreaks, rain
from restore.inspect.view import reduced, tiles


@dataclass(frozen=True)
class Findings:
    """What `inspect` measured; None where the picture is too small or too plain for it."""

    noise: Noise | None
    blur: float | None
    haze: float | None
    rain: RainStreaks | None
    darkness: float
    blocking: float | None


def inspect(pixels: np.ndarray) -> Findings:
    """Measure H x W x 3 (RGB) or H x W (grey), uint8, at least 1 x 1."""
    seen = reduced(pixels)
    grey = _grey(seen)
    parts = tiles(pixels)
    blocks = [blocking(_grey(part)) for part in parts]
    known = [x for x in blocks if x is not None]
    return Findings(
        noise=noise([np.atleast_3d(part).astype(np.float32) for part in parts]),
        blur=blur(grey),
        haze=haze(seen),
        rain=rain(seen),
        darkness=darkness(grey),
        blocking=float(np.median(known)) if known else None,
    )


def _grey(pixels: np.ndarray) -> np.ndarray:
    """BT.601 luma as float32, 0 to 255."""
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return grey.astype(np.float32)
