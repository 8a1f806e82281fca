"""The noise of a sensor, in linear light."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from restore.degrade.random import normal, per_picture


def sensor_noise(linear: Tensor, shot: Tensor, read: Tensor, generator: Generator) -> Tensor:
    """Draw Poisson-Gaussian noise for light of N x C x H x W: variance read + shot x light.

    ``shot`` and ``read`` hold N numbers. The Poisson part is a Gaussian of the same variance (Foi
    et al., "Practical Poissonian-Gaussian Noise Modeling", IEEE TIP 2008).
    """
    variance = per_picture(read) + per_picture(shot) * linear.clamp(min=0)
    return variance.sqrt() * normal(linear, generator)


def read_noise(shot: Tensor, generator: Generator) -> Tensor:
    """Return variances of the noise without light, for cameras of given shot noise.

    The relation measured on real cameras by "Unprocessing Images for Learned Raw Denoising" (Brooks
    et al., CVPR 2019, section 3.1).
    """
    spread = torch.randn(shot.shape, generator=generator, device=shot.device)
    return (2.18 * shot.log() + 1.20 + 0.26 * spread).exp()
