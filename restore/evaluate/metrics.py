"""PSNR and SSIM. Arguments are arrays of equal shape, H x W or H x W x 3, on the 0-255 scale."""

from __future__ import annotations

import math

import cv2
import numpy as np

from restore.errors import ImageError

PEAK = 255.0
_SIGMA, _RADIUS = 1.5, 5  # an 11 x 11 window


def psnr(output: np.ndarray, target: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels; infinite if equal."""
    _check(output, target)
    mse = float(np.mean((output.astype(np.float64) - target.astype(np.float64)) ** 2))
    return math.inf if mse == 0 else 10 * math.log10(PEAK**2 / mse)


def ssim(output: np.ndarray, target: np.ndarray) -> float:
    """Structural similarity (Wang et al., IEEE TIP 2004), mean over pixels and channels.

    Gaussian window 11 x 11 of sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance; places
    whose window leaves the picture do not count, so each side must be at least 11.
    """
    _check(output, target)
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


def _blur(x: np.ndarray) -> np.ndarray:
    size = 2 * _RADIUS + 1
    return cv2.GaussianBlur(x, (size, size), _SIGMA, borderType=cv2.BORDER_REFLECT)


def _check(output: np.ndarray, target: np.ndarray) -> None:
    if output.shape != target.shape:
        raise ImageError(f"pictures differ in shape: {output.shape} and {target.shape}")
