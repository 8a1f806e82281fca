"""Methods with fixed rules, without a trained model, as a comparison.

Each function maps H x W x 3, RGB, uint8 to the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from restore.engine.guided import linear_map
from restore.heads import HEADS
from restore.inspect.operators import dark_channel, second_difference
from restore.media.colour import rgb


@dataclass(frozen=True)
class Method:
    """A method by name; ``how`` names its parameters and its source in one line."""

    name: str
    how: str
    function: Callable[[np.ndarray], np.ndarray]

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Apply the method to H x W x 3 or H x W (grey), uint8; returns the same shape."""
        if image.ndim == 3:
            return self.function(np.ascontiguousarray(image))
        return self.function(rgb(image))[..., 1]


def non_local_means(image: np.ndarray) -> np.ndarray:
    """Apply non-local means (Buades et al., CVPR 2005), OpenCV's for colour, patches 7 x 7, search
    21 x 21, with h 0.6 times the `noise_level` and at least 5: camera noise is correlated, which
    the estimate mistakes for texture."""
    h = max(5.0, 0.6 * noise_level(image))
    return cv2.fastNlMeansDenoisingColored(image, None, h, h, 7, 21)


def noise_level(image: np.ndarray) -> float:
    """Estimate the standard deviation of white noise on the 0-255 scale, mean over channels, of an
    image of at least 3 x 3 (Immerkaer, Computer Vision and Image Understanding 1996, eq. 2)."""
    # Interior only: the reflected border is smoother than the image.
    response = second_difference(image)[1:-1, 1:-1]
    return math.sqrt(math.pi / 2) / 6 * float(np.abs(response).mean()) if response.size else 0.0


def median(image: np.ndarray) -> np.ndarray:
    """Apply the median of 5 x 5 pixels, channel by channel."""
    return cv2.medianBlur(image, 5)


def unsharp(image: np.ndarray) -> np.ndarray:
    """Apply an unsharp mask of radius (sigma) 1 and amount 1: twice the image minus the blurred
    one."""
    return cv2.addWeighted(image, 2, cv2.GaussianBlur(image, (0, 0), 1), -1, 0)


def clahe(image: np.ndarray) -> np.ndarray:
    """Apply contrast-limited adaptive histogram equalization (Zuiderveld, Graphics Gems IV, 1994)
    to L in Lab, in 8 x 8 regions with a limit of 2."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(2.0, (8, 8)).apply(lab[..., 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def gamma(image: np.ndarray) -> np.ndarray:
    """Brighten by the power that maps the mean grey to 0.4; brighter images are unchanged."""
    mean = float(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).mean()) / 255
    power = min(1.0, math.log(0.4) / math.log(mean)) if 0 < mean < 1 else 1.0
    table = np.rint((np.arange(256) / 255) ** power * 255).astype(np.uint8)
    return table[image]


def dark_channel_prior(image: np.ndarray) -> np.ndarray:
    """Remove haze by the dark channel prior (He, Sun and Tang, CVPR 2009; omega 0.95, patch 15 x
    15, t at least 0.1), with the guided filter (ECCV 2010; radius 60, eps 1e-3) for soft matting.

    Airlight is the mean colour of the 0.1 % of pixels with the brightest dark channel.
    """
    hazy = image.astype(np.float32) / 255
    dark = dark_channel(hazy)
    count = max(1, dark.size // 1000)
    haziest = np.argpartition(dark, -count, axis=None)[-count:]
    airlight = np.maximum(hazy.reshape(-1, 3)[haziest].mean(axis=0), 1 / 255)
    transmission = 1 - 0.95 * dark_channel(hazy / airlight)
    guide = cv2.cvtColor(hazy, cv2.COLOR_RGB2GRAY)
    slope, offset = linear_map(guide, transmission, radius=60, flat=1e-3, slope_of_flat=0)
    transmission = np.maximum(slope * guide + offset, 0.1)
    clear = (hazy - airlight) / transmission[..., None] + airlight
    return np.rint(np.clip(clear, 0, 1) * 255).astype(np.uint8)


METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method(
            "nlm",
            "non-local means of OpenCV, h 0.6 times the noise level by Immerkaer, at least 5",
            non_local_means,
        ),
        Method("median", "median of 5 x 5", median),
        Method("unsharp", "unsharp mask of sigma 1, amount 1", unsharp),
        Method("clahe", "CLAHE of L in Lab, 8 x 8 regions, limit 2", clahe),
        Method("gamma", "gamma that brings the mean grey to 0.4", gamma),
        Method(
            "dark-channel",
            "dark channel prior, omega 0.95, patch 15, guided filter of radius 60, eps 1e-3",
            dark_channel_prior,
        ),
    )
}


def methods_of(task: str) -> list[Method]:
    """Return the methods that a head declares as its rivals, in its order."""
    return [METHODS[name] for name in HEADS[task].rivals]
