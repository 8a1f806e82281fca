"""Less flicker: each restored frame blended with the one before it, brought to its place.

A head that sees one frame at a time answers each a little differently. Between two frames that
show the same, what it added should be the same too; but the residual (restored less input) holds
the noise of its own frame with the sign changed, so that the residual of one frame blended into
another would put noise back. Hence two bands. In the low one, where a head takes off a veil or
turns up a light, what it did to the light is blended, relative to the input; in the high one,
where the residual is noise, restored frames are. With B the blended frame, I the input, R the
restored one, M what brings the frame before to its place and L a wide blur,

    P(t) = M B(t-1) * L I(t) / L M I(t-1)      the frame before, in the light of this one
    B(t) = R(t) + w (P(t) - R(t))

so that no change of the scene's light is held back, and no noise of the input comes in. The weight
w, a pixel's own, falls where P and R differ by more than they do in most places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from restore.engine import motion, pixels
from restore.errors import ImageError

WEIGHT = 0.75
"""Of the frame before where both agree: noise that differs in every frame goes down to 38 %."""
TOLERANCE = 3.0
"""Typical differences at which the weight has fallen to 37 %."""
LEAST, MOST = 0.5 / 255, 8 / 255
"""Between these a typical difference lies, whatever is measured."""
LIGHT = 16 / 255
"""Change of light that is none of the input's at which the weight has fallen to 37 %."""
DARK = 2 / 255
"""Light that is too little to tell how many times it has grown."""
BLUR, REDUCTION = 32.0, 8
"""Deviation of L in pixels, and how much smaller it is computed."""
_BEFORE, _STEADIED = "before", "steadied"


@dataclass(frozen=True)
class _Last:
    """``before``: as it was given; ``steadied``: H x W x 3 float32, not rounded."""

    before: np.ndarray
    steadied: np.ndarray


class Steadier:
    """Lowers the flicker of restored frames, given one after the other.

    Starts again by itself at cuts and where the size changes.
    """

    def __init__(self) -> None:
        self._last: _Last | None = None

    def __call__(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """The next frame: ``before`` is the input, ``after`` what was made of it.

        Both H x W x 3 (RGB) or H x W, of one size, uint8, uint16 or float32 in [0, 1]; returns
        ``after``'s shape and dtype. The same frames give the same bytes. Raises `ImageError` for
        anything else.
        """
        frame, steadied = pixels.to_float(before), pixels.to_float(after)
        if frame.shape != steadied.shape:
            raise ImageError(f"frames differ in shape: {before.shape} and {after.shape}")
        last = self._last
        if last is not None and last.before.shape == before.shape:
            steadied = _blended(pixels.to_float(last.before), last.steadied, frame, steadied)
        self._last = _Last(before.copy(), steadied.copy())  # the caller may go on using both
        return pixels.from_float(steadied, after, pixels.is_grey(after))

    def reset(self) -> None:
        """Forget all frames, as before a clip of its own."""
        self._last = None

    def state(self) -> dict[str, np.ndarray]:
        """What `resume` needs to go on exactly, also in another process; empty before the first
        frame."""
        if self._last is None:
            return {}
        return {_BEFORE: self._last.before, _STEADIED: self._last.steadied}

    def resume(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what `state` returned. Raises `ImageError` for anything else."""
        if not state:
            self.reset()
            return
        if set(state) != {_BEFORE, _STEADIED}:
            raise ImageError(f"is no state of a steadier: it holds {', '.join(sorted(state))}")
        before, steadied = state[_BEFORE], state[_STEADIED]
        for array in (before, steadied):
            pixels.check(array)
        if steadied.dtype != np.float32 or steadied.shape != (*before.shape[:2], 3):
            raise ImageError(
                f"is no state of a steadier: {before.shape} and {steadied.dtype} {steadied.shape}"
            )
        self._last = _Last(before.copy(), steadied.copy())


def _blended(
    last_input: np.ndarray, last: np.ndarray, frame: np.ndarray, restored: np.ndarray
) -> np.ndarray:
    """All H x W x 3 float32: the frame before, its blended result, this one, what was made of it.

    Motion is that of the results, in which there is less noise.
    """
    by = motion.flow(motion.grey(restored), motion.grey(last))
    expected, inside = motion.moved(last, by)
    of_input = _light(frame, motion.moved(last_input, by)[0], inside)
    expected *= _both(of_input, _light(restored, expected, inside))
    difference = expected - restored
    # A restored frame may be lighter than the last as a whole, which is flicker; what has moved
    # in another way than the flow tells differs in detail.
    light = _blurred(difference, inside & _usual(difference))
    detail = difference - light
    if motion.is_cut(detail, restored):
        return restored
    error = cv2.blur((detail**2).mean(axis=2), (3, 3), borderType=cv2.BORDER_REFLECT)
    typical = min(max(float(np.median(error)) ** 0.5, LEAST), MOST)
    weight = WEIGHT * np.exp(
        -error / (TOLERANCE * typical) ** 2 - (light**2).mean(axis=2) / LIGHT**2
    )
    return restored + (weight * inside)[..., None] * difference


def _light(frame: np.ndarray, last: np.ndarray, where: np.ndarray) -> np.ndarray:
    """How many times lighter ``frame`` is than ``last``, in every place and channel."""
    where = where & _usual(frame - last)
    now, then = (_blurred(light, where) for light in (frame, last))
    return (np.maximum(now, 0) + DARK) / (np.maximum(then, 0) + DARK)


def _both(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of two ratios the one nearer to 1; 1 where they are on different sides of it."""
    up = np.maximum(np.minimum(one, other), 1)
    return np.where(one > 1, up, np.minimum(np.maximum(one, other), 1))


def _usual(difference: np.ndarray) -> np.ndarray:
    """Where H x W x 3 values are not far above most: H x W, bool."""
    size = np.abs(difference).mean(axis=2)
    return size <= 3 * np.median(size) + 2 * LEAST


def _blurred(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """H x W x 3, a wide Gaussian mean over the pixels that ``where`` (H x W, bool) has; 0 far from
    any."""
    height, width = where.shape
    size = -(-width // REDUCTION), -(-height // REDUCTION)
    weight = where.astype(np.float32)

    def mean(image: np.ndarray) -> np.ndarray:
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        sigma = BLUR / REDUCTION
        return cv2.GaussianBlur(small, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)

    total, count = mean(values * weight[..., None]), mean(weight)
    blurred = total.reshape(*count.shape, 3) / (count[..., None] + np.float32(1e-3))
    return cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR)
