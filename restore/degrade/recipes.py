"""What each head is trained against: clean patches in, degraded patches out."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from restore.degrade.noise import camera_noise, gaussian_noise

MAX_SIGMA = 55 / 255


def denoise(clean: Tensor, generator: Generator) -> Tensor:
    """Half of the pictures with blind Gaussian noise, sigma U(0, 55)/255, half with a camera's.

    Gaussian results are not clipped: a denoiser that has only seen clipped noise is biased on
    noise that is not, and clipping is there in the camera half.
    """
    n = clean.shape[0]
    sigma = MAX_SIGMA * torch.rand(n, generator=generator, device=clean.device)
    camera = torch.rand(n, generator=generator, device=clean.device) < 0.5
    noisy = gaussian_noise(clean, sigma, generator)
    if bool(camera.any()):
        noisy[camera] = camera_noise(clean[camera], generator)
    return noisy


RECIPES = {"denoise": denoise}
