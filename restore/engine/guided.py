"""Carry the change that a network made to a reduced image over to the full image.

Haze and darkness belong to a scene, not to its details: a network recognises them best if the whole
scene is as small as in training. Over a small window, both change an image linearly (haze is I = J
t + A (1 - t) with a nearly constant t). The linear map that fits each window of the reduced pair is
therefore applied to all pixels, and no detail is lost, displaced or invented.

He and Sun, "Fast Guided Filter" (arXiv:1505.00996), with the reduced image as its guide; each
channel guides itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from restore.engine.pixels import to_float
from restore.engine.tile_plan import reduced_size
from restore.rows import Rows

RADIUS = 4
"""Of the windows, in pixels of the reduced picture."""
NO_TEXTURE = 5e-4
"""Second difference up to which a picture is blank; from twice this on it tells all."""
_WITHOUT_TEXTURE = 0.75
"""The share of a picture that must have no texture. Half is not enough: 8 bits leave the darkest
scenes less than that."""
_MEAN = cv2.INTER_AREA
_STRIP = 256
"""Rows that are held as floats at a time."""
FLAT = 1e-4
"""Variance below which a window is too flat to tell a slope from noise; it gets that of 1."""


def reduced(image: np.ndarray | Rows, side: int) -> np.ndarray:
    """Reduce an image, as of `to_float`, to a shorter side of ``side`` pixels, each the mean of
    those it covers: H x W x 3 float32. Smaller images keep their size."""
    height, width = image.shape[:2]
    high, wide = reduced_size((height, width), side)
    if (high, wide) == (height, width):
        return to_float(image[:])
    # Across, then down: means are separable, and a large image never exists whole in floats.
    narrow = [
        cv2.resize(to_float(image[rows]), (wide, rows.stop - rows.start), interpolation=_MEAN)
        for rows in strips(height)
    ]
    return cv2.resize(np.concatenate(narrow), (wide, high), interpolation=_MEAN)


def strips(height: int) -> Iterator[slice]:
    """Yield all rows of an image, in strips."""
    for top in range(0, height, _STRIP):
        yield slice(top, min(top + _STRIP, height))


@dataclass(frozen=True)
class Carried:
    """The change from ``small``, a reduced image, to ``restored``, for an image of ``height`` rows.
    All are float32 with three channels; the first two have one size."""

    small: np.ndarray
    restored: np.ndarray
    height: int

    def __call__(self, rows: slice, image: np.ndarray) -> np.ndarray:
        """Return ``image``, those rows of the full image, changed. If ``small`` has the size of the
        full image, this is ``restored``."""
        if self.small.shape[:2] == (self.height, image.shape[1]):
            return self.restored[rows]
        slope, offset = (self._enlarged(part, rows, image.shape[1]) for part in self._map)
        np.multiply(slope, image, out=slope)
        np.add(slope, offset, out=slope)
        return slope

    @cached_property
    def _map(self) -> tuple[np.ndarray, np.ndarray]:
        slope, offset = linear_map(self.small, self.restored, RADIUS, FLAT)
        return slope.astype(np.float32), offset.astype(np.float32)

    def _enlarged(self, part: np.ndarray, rows: slice, width: int) -> np.ndarray:
        """Enlarge ``part`` to those rows of the full image, bilinear with half-pixel centres."""
        last = len(part) - 1
        centres = (np.arange(rows.start, rows.stop) + 0.5) * (len(part) / self.height) - 0.5
        centres = np.clip(centres, 0, last)
        above = np.minimum(centres.astype(int), max(last - 1, 0))
        weight = (centres - above).astype(np.float32)[:, None, None]
        mixed = part[above] * (1 - weight) + part[np.minimum(above + 1, last)] * weight
        return cv2.resize(mixed, (width, len(mixed)), interpolation=cv2.INTER_LINEAR)


def evidence(image: np.ndarray) -> float:
    """Return how much an image (H x W x 3 float32) reveals about its illumination, from 0 to 1.

    Haze and darkness are visible in how they weaken texture. Flat fields, ramps and a single edge
    have none: they cannot be told from paint, and must stay unchanged.
    """
    grey = image.mean(axis=2)
    curvature = cv2.Laplacian(grey, cv2.CV_32F, borderType=cv2.BORDER_REFLECT)
    texture = float(np.quantile(np.abs(curvature), _WITHOUT_TEXTURE))
    return min(max(texture / NO_TEXTURE - 1, 0.0), 1.0)


def linear_map(
    guide: np.ndarray, target: np.ndarray, radius: int, flat: float, slope_of_flat: float = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return (slope, offset) for every pixel, so that slope * guide + offset is near ``target``.

    All have one shape and are of scale [0, 1]; channels are independent. The fit is that of windows
    of 2 * ``radius`` + 1 pixels a side, averaged over those that contain the pixel; if the variance
    of the guide is far below ``flat``, the slope tends to ``slope_of_flat``. He, Sun and Tang,
    "Guided Image Filtering" (ECCV 2010, eq. 5, 6 and 8), with a slope of 0 there.
    """

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (2 * radius + 1,) * 2, borderType=cv2.BORDER_REFLECT)

    # float64: the variance is a small difference of large numbers.
    guide, target = guide.astype(np.float64), target.astype(np.float64)
    mean_guide, mean_target = mean(guide), mean(target)
    variance = mean(guide * guide) - mean_guide**2
    covariance = mean(guide * target) - mean_guide * mean_target
    slope = (covariance + flat * slope_of_flat) / (variance + flat)
    return mean(slope), mean(mean_target - slope * mean_guide)
