"""Detection of drawn content, such as text, screenshots and diagrams.

A renderer gives neighbouring pixels either the same value or clearly different ones; a camera gives
them small differences. Networks that were trained on photographs soften drawn content.
"""

from __future__ import annotations

import cv2
import numpy as np

WINDOW = 61
"""Side in pixels of the window that a pixel is judged by: some lines of text."""
_SMALL = 8 / 255
"""Largest difference that counts as small. Antialiasing rarely makes smaller ones; noise and
gradients of photographs mostly do."""
_EQUAL = (0.35, 0.4)
_DIFFERENT = (0.07, 0.055)
"""Fractions of a window's neighbours, from not drawn to drawn. Smaller windows, or more small
differences, take heavy rain before a white sky for a drawing: 0.3 dB of Rain100H with 21 and 0.09,
0.02 dB with these."""
_WEIGHTS = np.array([[0.37, 0.34, 0.29]], np.float32)
"""Of channels in the grey image that is compared. Nearly equal, so that saturated colours differ in
it; not equal, so that they do not cancel."""


def keep_drawings(images: np.ndarray, restored: np.ndarray) -> np.ndarray:
    """Return ``restored`` with the drawn content of ``images`` unchanged.

    Both are N x H x W x 3 float32 in [0, 1]. Partly drawn content is blended.
    """
    kept = [drawn(image) for image in images]
    if not any(one.any() for one in kept):
        return restored
    shares = np.stack(kept)[..., None]
    return np.asarray(images * shares + restored * (1 - shares))


def drawn(image: np.ndarray) -> np.ndarray:
    """Return the probability that each pixel of H x W x 3 float32 is drawn: H x W, 0 to 1."""
    grey = cv2.transform(np.ascontiguousarray(image), _WEIGHTS)
    equal, small = np.zeros_like(grey), np.zeros_like(grey)
    for here, there in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        difference = np.abs(grey[here] - grey[there])
        same = difference == 0
        equal[here] += same
        small[here] += (difference <= _SMALL) & ~same
    flat, uneven = (cv2.blur(one, (WINDOW, WINDOW)) / 2 for one in (equal, small))
    return _ramp(flat, *_EQUAL) * _ramp(uneven, *_DIFFERENT)


def _ramp(values: np.ndarray, zero: float, one: float) -> np.ndarray:
    return np.clip((values - zero) / (one - zero), 0, 1)
