"""Motion between a frame and the previous one."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

CUT = 6 / 255
"""Mean difference from which on two frames may show different scenes."""
_LEAST_SIDE = 32
"""In pixels; OpenCV's flow takes no frames much smaller, and crashes on some."""


def grey(frame: np.ndarray) -> np.ndarray:
    """Convert H x W x 3 float32 of scale [0, 1] to H x W uint8, for optical flow."""
    light = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
    return np.rint(np.clip(light, 0, 1) * 255).astype(np.uint8)


def flow(frame: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return H x W x 2 float32, (x, y) in pixels: the content at p in ``frame`` is at p + flow in
    ``other``.

    Both are H x W uint8, of any size. Kroeger et al., "Fast Optical Flow using Dense Inverse
    Search" (ECCV 2016), by OpenCV; the same bytes for any number of threads.
    """
    height, width = frame.shape
    margins = [(0, max(0, _LEAST_SIDE - side)) for side in (height, width)]
    if margins != [(0, 0), (0, 0)]:
        frame, other = (np.pad(picture, margins, mode="symmetric") for picture in (frame, other))
    search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    found = search.calc(np.ascontiguousarray(frame), np.ascontiguousarray(other), None)
    return found[:height, :width]


def moved(other: np.ndarray, by: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Warp ``other`` (H x W x C, float32) by the flow ``by`` to the frame where the flow begins.
    Returns it, and where the flow stays inside of ``other`` (H x W, bool)."""
    height, width = by.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    x, y = columns + by[..., 0], rows + by[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    # The widest kernel available: content is resampled at every frame and must not blur.
    there = cv2.remap(other, x, y, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
    return there, inside


def returns(there: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Return where following one flow and then the other leads back to the start: H x W, bool.

    Elsewhere, content is occluded in one of the frames, or the flow is wrong. Sundaram, Brox and
    Keutzer, "Dense Point Trajectories by GPU-Accelerated Large Displacement Optical Flow" (ECCV
    2010, eq. 5).
    """
    returning, inside = moved(back, there)
    gap = ((there + returning) ** 2).sum(axis=2)
    length = (there**2).sum(axis=2) + (returning**2).sum(axis=2)
    return inside & (gap < 0.01 * length + 0.5)


def is_cut(difference: np.ndarray, frame: np.ndarray) -> bool:
    """Whether the previous frame, warped, predicts ``frame`` little better than a uniform one
    would; both H x W x 3 float32 of scale [0, 1]. A change of overall brightness is not a cut."""
    error, contrast = (
        float(np.abs(coarse - coarse.mean(axis=(0, 1))).mean())
        for coarse in (_coarse(difference), _coarse(frame))
    )
    return error > max(CUT, contrast / 3)


def _coarse(values: np.ndarray) -> np.ndarray:
    """Reduce to a quarter of the size, which removes most noise."""
    height, width = (-(-side // 4) for side in values.shape[:2])
    return cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA)
