"""Degraded examples of whole pictures: arrays in and out, one number for how bad."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from restore.degrade.noise import CameraNoise, camera_noise, gaussian_noise
from restore.degrade.recipes import MAX_SIGMA


def noise(image: np.ndarray, severity: float, seed: int, camera: bool = False) -> np.ndarray:
    """Add noise to a uint8 picture, H x W x 3 or H x W; returns the same shape and dtype.

    ``severity`` in [0, 1] goes from none to sigma 55/255, or with ``camera`` to the strongest
    shot noise of `CameraNoise`, log-uniformly. The same seed gives the same picture.
    """
    generator = torch.Generator().manual_seed(seed)
    rgb = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
    clean = torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float() / 255
    if not camera:
        noisy = gaussian_noise(clean, severity * MAX_SIGMA, generator)
    elif severity == 0:
        noisy = clean
    else:
        low, high = CameraNoise().shot
        shot = low * (high / low) ** severity
        noisy = camera_noise(clean, generator, replace(CameraNoise(), shot=(shot, shot), jpeg=0.0))
    rounded = (noisy.clamp(0, 1) * 255).round().to(torch.uint8)
    result = rounded[0].permute(1, 2, 0).numpy()
    # One channel of three independent ones is the noise a grey picture would have.
    return np.ascontiguousarray(result[..., 1] if image.ndim == 2 else result)
