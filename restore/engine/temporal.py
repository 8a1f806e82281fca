"""Reduce flicker: blend each restored frame with the previous one, warped to its place.

A head that sees one frame at a time restores each a little differently. Between two frames of the
same content, the added detail should be the same too. The residual (restored minus input) contains
the noise of its own frame with the sign changed, so blending the residual of one frame into another
would add noise. Hence two bands. In the low band, in which a head removes a veil or brightens, the
change of light is blended, relative to the input; in the high band, in which the residual is noise,
restored frames are blended. With B the blended frame, I the input, R the restored one, M the warp
of the previous frame and L a wide blur,

    P(t) = M B(t-1) * L I(t) / L M I(t-1)      the previous frame, in the light of this one
    B(t) = R(t) + w (P(t) - R(t))

No change of the scene's light is delayed, and no noise of the input is added. The weight w of each
pixel falls where P and R differ by more than they do in most places.
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
"""Bounds of a typical difference, in every measure."""
LIGHT = 16 / 255
"""Change of light that is none of the input's at which the weight has fallen to 37 %."""
DARK = 2 / 255
"""Light that is too little to tell how many times it has grown."""
BLUR, REDUCTION = 32.0, 8
"""Deviation of L in pixels, and how much smaller it is computed."""
_BEFORE, _STEADIED = "before", "steadied"


@dataclass(frozen=True)
class _Last:
    """The previous frame. ``before``: its input. ``steadied``: its result, H x W x 3 float32, not
    rounded."""

    before: np.ndarray
    steadied: np.ndarray


class Steadier:
    """Reduces the flicker of restored frames, given one after the other.

    Restarts at cuts and when the size changes.
    """

    def __init__(self) -> None:
        self._last: _Last | None = None

    def __call__(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Return the next frame; ``before`` is its input, ``after`` its restoration.

        Both are H x W x 3 (RGB) or H x W, of one size, uint8, uint16 or float32 in [0, 1]; the
        result has the shape and dtype of ``after``. The same frames give the same bytes. Raises
        `ImageError` for anything else.
        """
        frame, steadied = pixels.to_float(before), pixels.to_float(after)
        if frame.shape != steadied.shape:
            raise ImageError(f"frames differ in shape: {before.shape} and {after.shape}")
        last = self._last
        if last is not None and last.before.shape == before.shape:
            steadied = _blended(pixels.to_float(last.before), last.steadied, frame, steadied)
        self._last = _Last(before.copy(), steadied.copy())  # the caller may reuse both
        return pixels.from_float(steadied, after, pixels.is_grey(after))

    def reset(self) -> None:
        """Forget all frames, as at the start of another clip."""
        self._last = None

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that `resume` requires to continue exactly, also in another process;
        empty before the first frame."""
        if self._last is None:
            return {}
        return {_BEFORE: self._last.before, _STEADIED: self._last.steadied}

    def resume(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from the result of `state`. Raises `ImageError` for anything else."""
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
    """Blend the previous frame and its result with this frame and its restoration; all H x W x 3
    float32.

    Motion is estimated on the results, which contain less noise.
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
    """Return how many times brighter ``frame`` is than ``last``, in every place and channel."""
    where = where & _usual(frame - last)
    now, then = (_blurred(light, where) for light in (frame, last))
    return (np.maximum(now, 0) + DARK) / (np.maximum(then, 0) + DARK)


def _both(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the one of two ratios that is nearer to 1; 1 if they are on different sides of it."""
    up = np.maximum(np.minimum(one, other), 1)
    return np.where(one > 1, up, np.minimum(np.maximum(one, other), 1))


def _usual(difference: np.ndarray) -> np.ndarray:
    """Return where H x W x 3 values are not far above most of them: H x W, bool."""
    size = np.abs(difference).mean(axis=2)
    return size <= 3 * np.median(size) + 2 * LEAST


def _blurred(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return a wide Gaussian mean of H x W x 3 over the pixels of ``where`` (H x W, bool); 0 far
    from any."""
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
