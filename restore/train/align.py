"""Blurred pictures laid over their sharp ones.

A blurred picture made by averaging an even number of frames has its middle between two of them, so
the sharp frame shows everything half a frame's motion away from it. A network that learns from such
pairs learns to displace, and to smear, because it cannot know the direction.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from restore.train.sources import PAIRS, Pictures

SMOOTHING = 24.0
"""Of the displacement, in pixels (deviation of a Gaussian): motion of one object or the camera is
smooth, the errors of its estimate are not."""
SMALLEST = 32
"""Side in pixels below which nothing is searched for: OpenCV's search needs room."""
FARTHEST = 12.0
"""Displacement in pixels beyond which an estimate counts as an error."""


def aligned(pictures: Pictures) -> Pictures:
    """Pairs whose inputs are warped onto their targets; other pictures unchanged."""
    if pictures.source.kind != PAIRS:
        return pictures
    return replace(
        pictures,
        items=tuple((warped(degraded, clean), clean) for degraded, clean in pictures.items),
    )


def warped(degraded: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """``degraded`` (H x W x 3 uint8) moved to where ``clean`` shows the same things.

    The blurred one is moved, not the sharp one, because interpolation costs it nothing. What moves
    is found by dense inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse
    Search", ECCV 2016) between blurred versions of both, weighted by texture, and smoothed.
    """
    if min(clean.shape[:2]) < SMALLEST:
        return degraded
    import cv2  # a machine that only trains need not have it

    def grey(picture: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 2)

    first, second = grey(clean), grey(degraded)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = search.calc(first, second, np.zeros((*first.shape, 2), np.float32))
    texture = np.abs(cv2.Laplacian(first, cv2.CV_32F)) + 0.05
    texture *= np.hypot(flow[..., 0], flow[..., 1]) < FARTHEST
    texture += 1e-3
    total = cv2.GaussianBlur(texture, (0, 0), SMOOTHING)
    moved = cv2.GaussianBlur(flow * texture[..., None], (0, 0), SMOOTHING) / total[..., None]
    rows, columns = np.indices(first.shape, dtype=np.float32)
    return cv2.remap(
        degraded,
        columns + moved[..., 0],
        rows + moved[..., 1],
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
