"""PSNR, SSIM, and the conversions before them.

Arguments are arrays of equal shape, H x W or H x W x 3 (RGB), on the 0-255 scale; images of
different shapes raise `ImageError`.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from restore.errors import ImageError

PEAK = 255.0
_SIGMA, _RADIUS = 1.5, 5  # an 11 x 11 window
_STUDIO = np.array([65.481, 128.553, 24.966])  # of R, G, B; they sum to 219


def psnr(output: np.ndarray, target: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB over pixels and channels; infinite if equal."""
    check_pair(output, target)
    mse = float(np.mean((output.astype(np.float64) - target.astype(np.float64)) ** 2))
    return math.inf if mse == 0 else 10 * math.log10(PEAK**2 / mse)


def ssim(output: np.ndarray, target: np.ndarray) -> float:
    """Return the structural similarity (Wang et al., IEEE TIP 2004), mean over pixels and channels.

    Gaussian window 11 x 11 of sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance. Only places
    whose window lies inside the image count, so each side must be at least 11.
    """
    check_pair(output, target)
    if min(output.shape[:2]) < 2 * _RADIUS + 1:
        raise ImageError(f"SSIM needs pictures of at least 11 x 11 pixels, got {output.shape}")
    x, y = output.astype(np.float64), target.astype(np.float64)
    mean_x, mean_y = _blur(x), _blur(y)
    var_x = _blur(x * x) - mean_x**2
    var_y = _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (var_x + var_y + c2)
    inside = slice(_RADIUS, -_RADIUS)
    return float((luminance * structure)[inside, inside].mean())


def luma(image: np.ndarray) -> np.ndarray:
    """Return Y of ITU-R BT.601 in studio range, 16 to 235, rounded: H x W float64.

    Equal to MATLAB's ``rgb2ycbcr`` for uint8, on which deraining is measured. The range is narrower
    than the image's by 219/255, which alone adds 1.32 dB to a PSNR of peak 255.
    """
    rgb = image.astype(np.float64)
    weighted = rgb @ _STUDIO if image.ndim == 3 else rgb * _STUDIO.sum()
    return np.rint(16 + weighted / PEAK)


def match_mean(output: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Scale ``output`` so that its mean brightness is the target's ("GT-mean"); return float64.

    Both are uint8. Brightness is BT.601 grey, rounded (OpenCV's ``RGB2GRAY``); the result is
    clipped to [0, 255] and not rounded again. A black output stays black.
    """
    check_pair(output, target)
    mean = _brightness(output)
    scale = _brightness(target) / mean if mean > 0 else 1.0
    return np.clip(output.astype(np.float64) * scale, 0, PEAK)


def _brightness(image: np.ndarray) -> float:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    return float(grey.mean())


def _blur(x: np.ndarray) -> np.ndarray:
    size = 2 * _RADIUS + 1
    return cv2.GaussianBlur(x, (size, size), _SIGMA, borderType=cv2.BORDER_REFLECT)


def check_pair(output: np.ndarray, target: np.ndarray) -> None:
    """Raise `ImageError` for images of different shapes, which cannot be compared."""
    if output.shape != target.shape:
        raise ImageError(f"pictures differ in shape: {output.shape} and {target.shape}")
