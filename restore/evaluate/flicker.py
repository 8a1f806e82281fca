"""Flicker: the difference between a frame and the previous one after motion compensation."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from restore.engine import motion
from restore.evaluate.metrics import PEAK
from restore.media.colour import rgb

PROTOCOL = (
    "mean absolute difference of RGB between a frame and the one before it, moved along optical "
    "flow (OpenCV's DIS, medium), where the flow and its way back agree; mean over pairs of frames "
    "without a cut; 0 to 255, lower is steadier"
)


class Flicker:
    """Measures versions of one clip, frame by frame; holds two frames of each.

    The warping error of Lai et al., "Learning Blind Video Temporal Consistency" (ECCV 2018, eq. 9
    and 10), in absolute values, between neighbouring frames. All versions are warped by the same
    flow, that of a reference, so that their figures are comparable. Noise and fine patterns,
    interpolated at subpixel positions, leave an error even in a perfect clip.
    """

    def __init__(self) -> None:
        self.pairs = 0
        """Of neighbouring frames that were compared."""
        self.cuts = 0
        """Pairs that were not: the scene or the size changes, or nothing is seen in both."""
        self._totals: dict[str, float] = {}
        self._last: tuple[np.ndarray, Mapping[str, np.ndarray]] | None = None

    def add(self, reference: np.ndarray, versions: Mapping[str, np.ndarray]) -> None:
        """Add the next frame: of the reference, H x W x 3 or H x W, float32 of scale [0, 1] or
        uint8, and of each version, uint8 of the same size."""
        scale = PEAK if reference.dtype == np.uint8 else 1.0
        # Noise must not drive the flow.
        seen = cv2.GaussianBlur(rgb(reference).astype(np.float32) / np.float32(scale), (0, 0), 1)
        frames = {name: rgb(frame).astype(np.float32) for name, frame in versions.items()}
        if self._last is not None:
            self._compare(*self._last, seen, frames)
        self._last = seen, frames

    def means(self) -> dict[str, float]:
        """Map each version to its figure; empty if no two frames could be compared."""
        return {name: total / self.pairs for name, total in self._totals.items()}

    def _compare(
        self,
        last_seen: np.ndarray,
        last: Mapping[str, np.ndarray],
        seen: np.ndarray,
        frames: Mapping[str, np.ndarray],
    ) -> None:
        counts = last_seen.shape == seen.shape
        if counts:
            now, then = motion.grey(seen), motion.grey(last_seen)
            there = motion.flow(now, then)
            compared = motion.returns(there, motion.flow(then, now))
            counts = bool(compared.any())
            counts = counts and not motion.is_cut(motion.moved(last_seen, there)[0] - seen, seen)
        if not counts:
            self.cuts += 1
            return
        self.pairs += 1
        for name, frame in frames.items():
            difference = np.abs(motion.moved(last[name], there)[0] - frame)
            value = float(difference[compared].mean(dtype=np.float64))
            self._totals[name] = self._totals.get(name, 0.0) + value
